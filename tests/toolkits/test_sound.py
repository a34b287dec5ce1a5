"""Models that hear, through the real toolkits: asked as they were trained, and learning what only the ear can tell."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from orchestrator.benchmark.task import tasks
from orchestrator.environments.environment import Environment
from orchestrator.inside import sound
from orchestrator.plan.commands import infer_commands
from orchestrator.plan.make import make_plan
from orchestrator.prompts.examples import examples_of, request_lines
from orchestrator.recipe.load import load_recipe
from orchestrator.toolkits.base import MeasureInputs, TrainInputs
from orchestrator.toolkits.registry import trainer
from tests.media import tone, write_sounding
from tests.running import run
from tests.toolkits.conftest import ready
from tests.toolkits.inside import HERE, argv_of
from tests.toolkits.tones import TASK, recipe_file, write_corpus, write_tones

pytestmark = pytest.mark.toolkit

# by toolkit: the model, its template, and what it is shown
CASES = {
    "llamafactory": {
        "omni_both": ("omni", "qwen2_omni", "video+audio"),
        "omni_audio": ("omni", "qwen2_omni", "audio"),
        "audio": ("audio", "qwen2_audio", "audio"),
    },
    "swift": {
        "omni_both": ("omni", "qwen2_5_omni", "video+audio"),
        "omni_audio": ("omni", "qwen2_5_omni", "audio"),
    },
}


def write_data(root: Path) -> None:
    """Tones, of which some have other rates, several channels, or more seconds than the models' ears take."""
    write_tones(root, {"train": 6, "dev": 2, "test": 2})
    folder = root / TASK / "video"
    write_sounding(folder / "train_1.mp4", tone(900, 1.3, rate=44_100, channels=2), rate=44_100)
    write_sounding(folder / "train_2.mp4", np.concatenate([tone(500, 0.7), tone(700, 0.7)]), rate=16_000)
    write_sounding(folder / "train_3.mp4", tone(900, 5), frames=40)  # the tiny ears are cut at four seconds


def write_case(folder: Path, toolkit: str, name: str, root: Path, model: Path) -> dict[str, Any]:
    """The training file and the requests of the same samples, by the converter and the recipe; the configurations."""
    kind, template, modality = CASES[toolkit][name]
    recipe = load_recipe(recipe_file(folder / name, root, model / kind, toolkit, template, modality))
    part, task = trainer(toolkit), tasks()[TASK]
    with (folder / name / f"train{part.suffix}").open("w") as file:
        part.write_examples(examples_of(recipe, task, "train", training=True), file, modality)
    for file_name, text in part.dataset_files(["train"], modality, system=False).items():
        (folder / name / file_name).write_text(text)
    (folder / name / "requests.jsonl").write_text("\n".join(request_lines(recipe, [task], "train")) + "\n")
    command = part.train(recipe, TrainInputs(str(model / kind), ".", "cpu"))
    plan = make_plan(recipe, folder / "runs")
    stage = next(stage for stage in plan.jobs[0].stages if stage.kind == "infer")
    (asked,) = infer_commands(plan, stage, folder / name, "cpu", None)
    config = json.loads(asked.files["config.json"]) | {"model": str(model / kind), "finetuning": "full"}
    measured = part.lengths(recipe, MeasureInputs(str(model / kind), {}, "out.json"))
    assert measured is not None
    return {
        "config": config,
        "arguments": yaml.safe_load(command.files.get("train.yaml", "{}")),
        "measuring": json.loads(measured.files["config.json"]),
        "env": dict(command.env) | dict(asked.env),
    }


def reports(toolkit: str, folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """What one process of a toolkit finds in some cases."""
    root = folder / "data"
    write_data(root)
    write_corpus(folder / "corpus.jsonl")
    cases = {name: write_case(folder, toolkit, name, root, folder) for name in names}
    (folder / "cases.json").write_text(json.dumps(cases))
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | cases[names[0]]["env"]
    argv = argv_of(ready(toolkit).python, HERE / "inside_sound.py", folder, toolkit)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=900, cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found = {name: json.loads((folder / f"{name}.report.json").read_text()) for name in names}
    for report in found.values():
        assert "failed" not in report, report["failed"]
    return found


def check(report: dict[str, Any], modality: str) -> None:
    assert report["together"] == report["alone"]
    assert len(report["samples"]) == len(report["together"]) == 6
    for sample in report["samples"]:
        assert sample["ids"], sample["prompt"]
        assert set(sample["unlike"]) <= {"use_audio_in_video"}  # which training says by its positions alone
        heard = sample["prompt"].count("<|AUDIO|>")
        assert heard > 0
        assert (sample["prompt"].count("<|VIDEO|>") > 0) == (modality == "video+audio")
    # 25 tokens of sound a second; of five seconds four are heard
    tokens = [sample["prompt"].count("<|AUDIO|>") for sample in report["samples"]]
    assert tokens[1] == pytest.approx(1.3 * 25, abs=3)
    assert tokens[3] == 100
    assert all(sample["learnt"] for sample in report["samples"])


def test_llamafactory_is_asked_as_it_was_trained(llamafactory_env: Environment, tmp_path: Path) -> None:
    found = reports("llamafactory", tmp_path, list(CASES["llamafactory"]))
    for name, report in found.items():
        check(report, CASES["llamafactory"][name][2])
        for sample in report["samples"]:
            assert "input_features" in sample["shapes"]
            assert sample["logits"] < 1e-4


@pytest.mark.long
@pytest.mark.parametrize("name", CASES["swift"])
def test_swift_is_asked_as_it_was_trained(swift_env: Environment, tmp_path: Path, name: str) -> None:
    report = reports("swift", tmp_path, [name])[name]
    check(report, CASES["swift"][name][2])
    assert report["measured"] == [sample["length"] for sample in report["samples"]]


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``data`` and ``corpus.jsonl``."""
    folder = tmp_path_factory.mktemp("tones")
    write_tones(folder / "data")
    write_corpus(folder / "corpus.jsonl")
    return folder


@pytest.mark.long
@pytest.mark.parametrize(
    ("toolkit", "model", "template", "modality", "learns"),
    [
        ("llamafactory", "omni", "qwen2_omni", "video+audio", True),
        ("llamafactory", "omni", "qwen2_omni", "video", False),
        ("llamafactory", "audio", "qwen2_audio", "audio", True),
        ("swift", "omni", "qwen2_5_omni", "video+audio", True),
        ("swift", "omni", "qwen2_5_omni", "video", False),
        ("swift", "omni", "qwen2_5_omni", "audio", True),
    ],
)
def test_who_hears_learns_the_tones(
    tones: Path, tmp_path: Path, toolkit: str, model: str, template: str, modality: str, learns: bool
) -> None:
    models = tones / toolkit
    if not models.exists():
        argv = [str(ready(toolkit).python), str(HERE / "tiny_hearing.py"), str(models), str(tones / "corpus.jsonl")]
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
    recipe = recipe_file(tmp_path, tones / "data", models / model, toolkit, template, modality)
    run(recipe, tmp_path)
    (row,) = pd.read_csv(tmp_path / f"{recipe.stem}.csv").to_dict("records")
    assert row["modality"] == modality
    assert (row["sound_hz"] == sound.RATE) == ("audio" in modality)
    assert (f"|sound:{sound.RATE}" in row["signature"]) == ("audio" in modality)
    assert (row["acc"] >= 90) if learns else (row["acc"] <= 65)
