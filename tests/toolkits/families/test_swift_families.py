"""The families of models through ms-swift's runner, beside what its training would feed them; one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.toolkits.swift.inside.utterance import neutralise
from orchestrator.toolkits.swift.settings import FRAMES
from tests.running import write_jsonl
from tests.toolkits.families.samples import MAX_PIXELS, Groups, families_of, requests_of, runner_config

pytestmark = pytest.mark.toolkit

FAMILIES = families_of("swift")
SHORT = ("qwen3_vl",)  # in `make test`
# InternVL's frames are not those asked for: refused with video
SEES = {name: family.get("video", False) and name != "internvl" for name, family in FAMILIES.items()}


def write_family(folder: Path, name: str, clips: list[Path]) -> None:
    """Requests, and the same as a training has them."""
    requests = requests_of(clips if SEES[name] else [])
    write_jsonl(folder / f"{name}.requests.jsonl", requests)
    same = [row for row in requests if row["video"] or not SEES[name]][-4:]
    write_jsonl(folder / f"{name}.same.jsonl", same)
    rows = [
        {
            "messages": [
                {"role": "user", "content": ("<video>" if row["video"] else "") + neutralise(row["prompt"])},
                {"role": "assistant", "content": "emotion: joy"},
            ],
            "videos": [row["video"]] if row["video"] else [],
        }
        for row in same
    ]
    write_jsonl(folder / f"{name}.rows.jsonl", rows)
    config = runner_config(folder, name, FAMILIES[name]["template"]["swift"])
    (folder / f"{name}.config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def groups(swift_env: Environment, tmp_path_factory: pytest.TempPathFactory) -> Groups:
    """What is found, once."""
    folder = tmp_path_factory.mktemp("families")
    env = {"USE_HF": "1", "MODELSCOPE_CACHE": str(folder / "cache"), **dict.fromkeys(FRAMES, "4")}
    env |= {"VIDEO_MAX_PIXELS": str(MAX_PIXELS), "VIDEO_MIN_PIXELS": "3136"}
    return Groups("swift", swift_env.python, folder, SHORT, write_family, env)


@pytest.fixture(params=[pytest.param(one, marks=() if one in SHORT else pytest.mark.long) for one in sorted(FAMILIES)])
def family(request: pytest.FixtureRequest, groups: Groups) -> tuple[str, dict[str, Any]]:
    """A family's name, and what was found."""
    return request.param, groups.found(request.param)


def test_it_is_asked_as_it_was_trained(family: tuple[str, dict[str, Any]]) -> None:
    """Token ids, and every tensor."""
    name, found = family
    assert len(found["samples"]) == 4
    for sample in found["samples"]:
        assert sample["ids"], sample["prompt"]
        assert sample["unlike"] == []
        assert sample["logits"] < 1e-4
        assert ("pixel_values_videos" in sample["tensors"]) == SEES[name]
        assert sample["frames"] == [4] * SEES[name]
        assert sample["learnt"].partition("emotion: ")[2].startswith("joy")


def test_its_samples_are_measured(family: tuple[str, dict[str, Any]]) -> None:
    """Before a training, exactly."""
    _, found = family
    assert found["measured"] == [sample["length"] for sample in found["samples"]]
    assert len(set(found["measured"])) > 1


def test_batches_do_not_change_answers(family: tuple[str, dict[str, Any]]) -> None:
    _, found = family
    assert found["together"] == found["alone"]
    assert len(found["alone"]) == 11, "one shows a clip with fewer frames than are asked for"
    assert not [said for said in found["alone"].values() if "Error" in said]
    assert len(set(found["alone"].values())) > 3, "the model must say different things"


def test_whose_frames_it_chooses_itself(groups: Groups) -> None:
    """Every type of models with video takes the frames that are asked for, or is known not to."""
    groups.found(SHORT[0])
    found = json.loads((groups.folder / "frames.report.json").read_text())
    assert {"qwen3_vl", "qwen2_5_vl", "minicpmv2_6", "internvl_chat"} <= {name for name in found if found[name]}
    broken = [name for one in Environment.load("swift").broken for name in one.names]
    assert sorted(name for name in found if not found[name]) == sorted(broken)
