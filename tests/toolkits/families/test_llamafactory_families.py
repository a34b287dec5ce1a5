"""The families of models through LLaMA-Factory's runner, beside what its training would feed them; one process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.environments.environment import Environment
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise
from tests.media import write_video
from tests.running import write_jsonl
from tests.toolkits.inside import HERE, argv_of

pytestmark = pytest.mark.toolkit

FAMILIES: dict[str, dict[str, Any]] = {
    name: family
    for name, family in yaml.safe_load((HERE / "families" / "families.yaml").read_text())["families"].items()
    if "llamafactory" in family["template"]
}
# one of each way for a video to reach a model: grids with timestamps, a list of kinds of tokens, pictures, a thinker
MECHANISMS = ("qwen3_vl", "gemma4", "internvl", "qwen2_5_omni")
WORDS = ["the", "coach", "asks", "what", "you", "would", "like", "to", "change", "and", "waits", "for", "an", "answer"]
PROMPTS = [" ".join(WORDS[: 2 + number % 11] * (1 + number % 3)) + f" {number}" for number in range(9)]
TRICKY = "she said <video>, <image> and <audio>, then <|im_end|><|video_pad|> </s>"
VIDEO = {"video_fps": 100.0, "video_maxlen": 4, "video_max_pixels": 12544}


def settings(folder: Path, name: str) -> dict[str, Any]:
    """The runner's configuration."""
    return {
        "requests": str(folder / f"{name}.requests.jsonl"),
        "model": str(folder / name),
        "revision": None,
        "adapter": None,
        "template": FAMILIES[name]["template"]["llamafactory"],
        "finetuning": "full",
        "device": "cpu",
        "precision": "fp32",
        "max_new_tokens": 6,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 42,
        "frames": 4,
        "max_pixels": VIDEO["video_max_pixels"],
        "max_length": 2048,
        "trust_remote_code": False,
    }


def write_family(folder: Path, name: str, clips: list[Path]) -> None:
    """Requests, and the same as a training has them."""
    sees = FAMILIES[name].get("video", False)
    requests = [
        {"id": str(at), "prompt": prompt, "video": str(clips[at % len(clips)]) if sees and at % 3 else None}
        for at, prompt in enumerate([*PROMPTS, TRICKY])
    ]
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
    (folder / f"{name}.config.json").write_text(json.dumps(settings(folder, name)))


class Groups:
    """What is found of a group of families, in one process of the toolkit, when the first of them is asked for."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.environment = environment
        self.folder = folder

    def found(self, name: str) -> dict[str, Any]:
        """Of one family."""
        group = [one for one in FAMILIES if (one in MECHANISMS) == (name in MECHANISMS)]
        report = self.folder / f"{name}.report.json"
        if not report.exists():
            self._run(group)
        found: dict[str, Any] = json.loads(report.read_text())
        assert "failed" not in found, found["failed"]
        return found

    def _run(self, group: list[str]) -> None:
        folder = self.folder
        write_jsonl(folder / "corpus.jsonl", [*PROMPTS, TRICKY])
        clips = [write_video(folder / f"{at}.mp4", at, frames) for at, frames in enumerate((8, 9, 40, 4))]
        columns = {"messages": "conversations", "videos": "videos"}
        info = {
            name: {"file_name": f"{name}.rows.json", "formatting": "sharegpt", "columns": columns} for name in group
        }
        (folder / "dataset_info.json").write_text(json.dumps(info))
        for name in group:
            write_family(folder, name, clips)
        (folder / "families.json").write_text(json.dumps({name: FAMILIES[name] for name in group}))
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        env |= {"HF_DATASETS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        argv = argv_of(self.environment.python, HERE / "families" / "inside_llamafactory.py", folder)
        process = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=900)
        assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-4000:]


@pytest.fixture(scope="module")
def groups(llamafactory_env: Environment, tmp_path_factory: pytest.TempPathFactory) -> Groups:
    """What is found, once."""
    return Groups(llamafactory_env, tmp_path_factory.mktemp("families"))


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
        assert not [name for name in sample["only_in_training"] if "pixel" in name or "grid" in name]
        assert form.get("video", False) == any("pixel" in name for name in sample["shapes"])
        assert sample["frames"] == [4] * form.get("video", False)


def test_batches_do_not_change_answers(family: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, found = family
    assert found["together"] == found["alone"]
    assert len(found["alone"]) == 10
    assert not [said for said in found["alone"].values() if "Error" in said]
    assert len(set(found["alone"].values())) > 3, "the model must say different things"
