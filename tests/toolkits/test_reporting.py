"""Whom a training reports to: what toolkits are told, and what their environments lack."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from orchestrator.environments.environment import Environment
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.registry import trainer
from orchestrator.toolkits.reporting import clients, reporting_problems
from tests.recipes import shipped

RECIPES = {
    "llamafactory": "qwen2_7b_sft",
    "llava_next": "llava_video_7b_sft",
    "swift": "minicpm_v_2_6_sft",
    "videollama2": "videollama2_7b_sft",
}


def told(toolkit: str, *overrides: str) -> dict[str, list[str]]:
    """What a toolkit's training is told of reports: its arguments by name."""
    recipe = shipped(RECIPES[toolkit], *overrides)
    command = trainer(toolkit).train(recipe, TrainInputs("some/model", "../data", "cpu"))
    if toolkit == "llamafactory":
        found = yaml.safe_load(next(iter(command.files.values())))
        values = {name: found.get(name) for name in ("report_to", "run_name")}
        return {name: value if isinstance(value, list) else [value] for name, value in values.items() if value}
    words, said = list(command.argv), {}
    for name in ("report_to", "run_name"):
        if f"--{name}" in words:
            rest = words[words.index(f"--{name}") + 1 :]
            end = next((at for at, word in enumerate(rest) if word.startswith("--")), len(rest))
            said[name] = rest[:end]
    return said


@pytest.mark.parametrize("toolkit", RECIPES)
def test_a_toolkit_is_told(toolkit: str) -> None:
    name = RECIPES[toolkit]
    assert told(toolkit) == {"report_to": ["none"]}
    assert told(toolkit, "train.report_to=wandb") == {"report_to": ["wandb"], "run_name": [name]}
    assert told(toolkit, "train.report_to=wandb", "train.extra.run_name=mine")["run_name"] == ["mine"]


@pytest.mark.parametrize("toolkit", RECIPES)
def test_several_are_told_where_the_toolkit_takes_them(toolkit: str) -> None:
    several = "train.report_to=[tensorboard, wandb]"
    said = [text for text in trainer(toolkit).problems(shipped(RECIPES[toolkit], several)) if "reports to one" in text]
    if toolkit in ("llava_next", "videollama2"):
        assert said == ["train.report_to: the toolkit reports to one, not 2; name one of tensorboard, wandb"]
    else:
        assert said == []
        assert told(toolkit, several)["report_to"] == ["tensorboard", "wandb"]


def offered(toolkit: str) -> tuple[str, ...]:
    offers = trainer(toolkit).environment.offers
    assert offers is not None
    return offers.report_to


@pytest.mark.parametrize("toolkit", RECIPES)
def test_each_toolkit_knows_the_usual_ones(toolkit: str) -> None:
    assert {"tensorboard", "wandb", "mlflow"} <= set(offered(toolkit))
    said = trainer(toolkit).problems(shipped(RECIPES[toolkit], "train.report_to=wandbb"))
    assert "train.report_to: the toolkit reports to no `wandbb`; did you mean `wandb`?" in said


def test_what_the_toolkits_know_is_installed_by_something() -> None:
    names = {name for toolkit in RECIPES for name in offered(toolkit)}
    assert names - {"kubeflow"} == set(clients())


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """One that is built, with tensorboard in it and in its lock."""
    folder = tmp_path / "toy"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").touch()
    (folder / ".venv" / "lib" / "python3.11" / "site-packages" / "tensorboard").mkdir(parents=True)
    (folder / "requirements.lock").write_text("tensorboard==2.21.0 \\\n    --hash=sha256:0\n")
    made = Environment("toy", folder, "3.11", {}, "")
    made.stamp.write_text(json.dumps({"lock": made.lock_digest}))
    return made


def test_what_is_there_is_fine(environment: Environment) -> None:
    assert reporting_problems(["tensorboard"], environment) == []
    assert reporting_problems([], environment) == []


def test_what_lacks_is_told_with_the_command_that_puts_it_in(environment: Environment) -> None:
    assert reporting_problems(["tensorboard", "comet_ml"], environment) == [
        "train.report_to: the environment of toy lacks comet-ml: leave `comet_ml` out, or "
        f"uv pip install --python {environment.python} comet-ml"
    ]


def test_of_one_that_is_to_be_built_the_lock_says_it(environment: Environment) -> None:
    environment.stamp.unlink()
    assert reporting_problems(["tensorboard"], environment) == []
    assert reporting_problems(["wandb"], environment) == [
        "train.report_to: the environment of toy lacks wandb: leave `wandb` out, or env build toy, then "
        f"uv pip install --python {environment.python} wandb"
    ]
    # it is built anew from another lock, and what was put in is lost
    stale = replace(environment, python_version="3.12")
    (environment.venv / "lib" / "python3.11" / "site-packages" / "wandb").mkdir()
    environment.stamp.write_text(json.dumps({"lock": environment.lock_digest}))
    assert reporting_problems(["wandb"], environment) == []
    assert len(reporting_problems(["wandb"], stale)) == 1
