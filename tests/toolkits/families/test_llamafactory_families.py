"""The families of models through LLaMA-Factory's runner, beside what its training would feed them; one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise
from tests.running import write_jsonl
from tests.toolkits.families.samples import MAX_PIXELS, Groups, families_of, requests_of, runner_config

pytestmark = pytest.mark.toolkit

FAMILIES = families_of("llamafactory")
# one of each way for a video to reach a model: grids with timestamps, a list of kinds of tokens, pictures, a thinker
MECHANISMS = ("qwen3_vl", "gemma4", "internvl", "qwen2_5_omni")
VIDEO = {"video_fps": 100.0, "video_maxlen": 4, "video_max_pixels": MAX_PIXELS}


def write_family(folder: Path, name: str, clips: list[Path]) -> None:
    """Requests, and the same as a training has them."""
    sees = FAMILIES[name].get("video", False)
    requests = requests_of(clips if sees else [])
    write_jsonl(folder / f"{name}.requests.jsonl", requests)
    same = [row for row in requests if row["video"] or not sees][-4:]
    write_jsonl(folder / f"{name}.same.jsonl", same)
    rows = [
        {
            "conversations": [
                {"from": "human", "value": ("<video>" if sees else "") + neutralise(row["prompt"])},
                {"from": "gpt", "value": "emotion: joy"},
            ],
            "videos": [row["video"]] if sees else [],
        }
        for row in same
    ]
    (folder / f"{name}.rows.json").write_text(json.dumps(rows))
    train = {"model_name_or_path": str(folder / name), "stage": "sft", "do_train": True, "dataset": name}
    train |= {"dataset_dir": str(folder), "template": FAMILIES[name]["template"]["llamafactory"], "use_cpu": True}
    train |= {"output_dir": str(folder / "out"), "report_to": "none", "cutoff_len": 2048, **(VIDEO if sees else {})}
    (folder / f"{name}.train.json").write_text(json.dumps(train))
    (folder / f"{name}.config.json").write_text(
        json.dumps(runner_config(folder, name, FAMILIES[name]["template"]["llamafactory"]))
    )


def write_data(folder: Path, name: str, clips: list[Path]) -> None:
    """The same, and where the training's rows are."""
    write_family(folder, name, clips)
    columns = {"messages": "conversations", "videos": "videos"}
    info = {one: {"file_name": f"{one}.rows.json", "formatting": "sharegpt", "columns": columns} for one in FAMILIES}
    (folder / "dataset_info.json").write_text(json.dumps(info))


@pytest.fixture(scope="module")
def groups(llamafactory_env: Environment, tmp_path_factory: pytest.TempPathFactory) -> Groups:
    """What is found, once."""
    folder = tmp_path_factory.mktemp("families")
    env = {"HF_DATASETS_CACHE": str(folder / "cache")}
    return Groups("llamafactory", llamafactory_env.python, folder, MECHANISMS, write_data, env)


@pytest.fixture(
    params=[pytest.param(name, marks=() if name in MECHANISMS else pytest.mark.long) for name in sorted(FAMILIES)]
)
def family(request: pytest.FixtureRequest, groups: Groups) -> tuple[dict[str, Any], dict[str, Any]]:
    """A family, and what was found."""
    return FAMILIES[request.param], groups.found(request.param)


def test_it_is_asked_as_it_was_trained(family: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Token ids, every tensor, and what the model makes of them."""
    form, found = family
    assert len(found["samples"]) == 4
    for sample in found["samples"]:
        assert sample["ids"], sample["prompt"]
        assert sample["unlike"] == []
        assert sample["logits"] < 1e-4
        assert sample["learnt"].partition("emotion: ")[2].startswith("joy")  # after an empty thought, perhaps
        # without a video, training adds an empty picture that nothing sees
        only = [name for name in sample["only_in_training"] if "pixel" in name or "grid" in name]
        assert only == [] or not form.get("video", False)
        assert form.get("video", False) == any("pixel" in name for name in sample["shapes"])
        assert sample["frames"] == [4] * form.get("video", False)


def test_its_samples_are_measured(family: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Before a training, exactly."""
    _, found = family
    assert found["measured"] == [sample["length"] for sample in found["samples"]]
    assert len(set(found["measured"])) > 1


def test_batches_do_not_change_answers(family: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, found = family
    assert found["together"] == found["alone"]
    assert len(found["alone"]) == 11, "one shows a clip with fewer frames than are asked for"
    assert not [said for said in found["alone"].values() if "Error" in said]
    assert len(set(found["alone"].values())) > 3, "the model must say different things"
