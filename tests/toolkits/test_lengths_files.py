"""How each toolkit's measuring is started, without starting it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.toolkits.base import MeasureInputs
from orchestrator.toolkits.formats import without_rows
from orchestrator.toolkits.registry import trainer
from tests.recipes import shipped

FILES = {"train": ("../../convert-0/train.json", True), "asked_test": ("asked_test.json", False)}


@pytest.mark.parametrize(
    ("name", "toolkit"),
    [("qwen2_7b_sft", "llamafactory"), ("llava_video_7b_sft", "llava_next"), ("minicpm_v_2_6_sft", "swift"),
     ("videollama2_7b_sft", "videollama2")],
)  # fmt: skip
def test_it_needs_no_gpu_and_no_key(name: str, toolkit: str) -> None:
    part = trainer(toolkit)
    command = part.lengths(shipped(name), MeasureInputs("some/model", FILES, "out.json"))
    assert command is not None
    assert Path(command.argv[2]).parts[-3:] == (toolkit, "inside", "lengths.py")
    assert command.env["CUDA_VISIBLE_DEVICES"] == ""
    config = json.loads(command.files["config.json"])
    assert (config["model"], config["out"]) == ("some/model", "out.json")
    assert config["files"] == {
        "train": {"path": "../../convert-0/train.json", "training": True},
        "asked_test": {"path": "asked_test.json", "training": False},
    }
    # it changes neither weights nor answers
    programs = {path.name for kind in ("train", "merge") for path in part.sources(kind)}
    assert "train.py" in programs
    assert "lengths.py" not in programs


def test_a_video_is_shown_as_in_training_or_as_in_inference() -> None:
    recipe = shipped("qwen2_vl_7b_sft", "video.training={fps: 3, frames: 9, max_pixels: 900}", 'prompt.train_system=""')
    command = trainer("llamafactory").lengths(recipe, MeasureInputs("some/model", FILES, "out.json"))
    assert command is not None
    config = json.loads(command.files["config.json"])
    assert config["as_trained"] == {
        "video_fps": 3.0, "video_maxlen": 9, "video_max_pixels": 900, "default_system": ""
    }  # fmt: skip
    assert config["as_asked"] == {"video_fps": 100.0, "video_maxlen": 4, "video_max_pixels": 151200}


@pytest.mark.parametrize(
    ("suffix", "text", "left"),
    [
        (".jsonl", '{"a": 1}\n{"a": "x\\ny"}\n{"a": 3}\n', '{"a": 1}\n{"a": 3}\n'),
        (".json", '[\n{"a": 1},\n{"a": "我"},\n{"a": 3}\n]\n', '[\n{"a": 1},\n{"a": 3}\n]\n'),
        (".json", '[\n    {\n        "a": 1\n    },\n    {}\n]', '[\n{"a": 1}\n]\n'),
    ],
)
def test_rows_are_left_out(suffix: str, text: str, left: str) -> None:
    assert without_rows(text, suffix, {1}) == left
