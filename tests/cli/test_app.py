"""The command line as people and programs use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.scores.results import COLUMNS
from tests.shared import ROOT

COMMANDS = ("run", "plan", "validate", "show", "ls", "status", "convert", "score", "env list", "env build", "env check",
            "data check", "data download")  # fmt: skip


def call(*arguments: object, code: int = 0, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    assert f"Example: python -m orchestrator {command}" in call(*command.split(), "--help")


def test_help_imports_nothing_heavy() -> None:
    program = "import sys; sys.argv = ['x', '--help']\ntry:\n from orchestrator.cli.app import app; app()\nexcept SystemExit: pass\nprint([m for m in ('pydantic', 'pandas', 'rich', 'yaml', 'jinja2', 'psutil') if m in sys.modules])"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.endswith("[]\n"), done.stdout


@pytest.mark.parametrize(("what", "least"), [("tasks", 13), ("models", 10), ("recipes", 7)])
def test_ls(what: str, least: int) -> None:
    assert len(json.loads(call("ls", what, "--json"))) >= least
    assert len(call("ls", what).splitlines()) >= least + 1


def test_every_shipped_recipe_is_good_and_says_what_it_is() -> None:
    for row in json.loads(call("ls", "recipes", "--json")):
        assert row["tasks"], row["about"]
        assert row["about"]


def test_unknown_list_and_empty_runs(tmp_path: Path) -> None:
    assert "did you mean `tasks`?" in call("ls", "task", code=2)
    assert "no runs in" in call("status", "--runs-dir", tmp_path)
    assert "no run `x`" in call("status", "x", "--runs-dir", tmp_path, code=2)


def test_plan_as_json(tmp_path: Path) -> None:
    (plan,) = json.loads(call("plan", "recipes/qwen2_7b_sft.yaml", "--json", "--runs-dir", tmp_path))
    assert len(plan["jobs"]) == 12
    train = plan["jobs"][0]["stages"][1]
    assert train["stage"] == "train"
    assert not train["done"]
    assert "train.yaml" in train["files"]
    assert not list(tmp_path.iterdir())


def test_show_is_a_recipe_again(tmp_path: Path) -> None:
    shown = call("show", "recipes/qwen2_7b_it.yaml")
    (tmp_path / "qwen2_7b_it.yaml").write_text(shown)
    assert call("show", tmp_path / "qwen2_7b_it.yaml") == shown


def test_score_json_has_the_columns_of_the_results(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"label": "joy", "prediction": "emotion: joy"}\n{"label": "anger", "prediction": "no idea"}\n')
    printed, note = call("score", path, "--task", "MELD", "--json").splitlines()  # the note goes to stderr
    assert note == "note: 2 rows, but the test split of MELD has 2,610 published ones"
    row = json.loads(printed)
    assert list(row) == list(COLUMNS)
    assert (row["n"], row["acc"], row["unknown"]) == (2, 50.0, 50.0)
    table = call("score", path, "--task", "MELD")
    assert "50.00" in table


def test_convert_to_a_pipe_that_closes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "orchestrator.data.demo", str(tmp_path)], check=True, cwd=ROOT)
    command = f"{sys.executable} -m orchestrator convert --task demo --toolkit llamafactory --data-root {tmp_path} --out - | head -1"  # noqa: E501
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[\n"
    assert done.stderr == ""


def test_two_recipes_of_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.yaml").write_text(f"extends: {ROOT}/recipes/tiny_qwen2_zero_shot.yaml\n")
    said = call("plan", tmp_path / "a" / "same.yaml", tmp_path / "b" / "same.yaml", code=2)
    assert "both would write to the same folder" in said


def test_status_from_disk(tmp_path: Path) -> None:
    """A run that was killed while it trained: what it had done, and that it is not running."""
    began = "2026-01-01T00:00:0{}.{}+00:00"
    for kind, state, at in (
        ("convert", "done", began.format(1, 100)),
        ("train", "running", began.format(1, 200)),
        ("init", "done", began.format(0, 900)),
    ):
        folder = tmp_path / "mine" / "demo" / f"{kind}-0"
        folder.mkdir(parents=True)
        attempts = [{"started_at": at, "seconds": None}]
        content = {"state": state, "job": "demo", "stage": kind, "attempts": attempts, "seconds": 1.0}
        content["toolkit"] = "llamafactory"
        (folder / "stage.json").write_text(json.dumps(content))
    (tmp_path / "mine" / "lock").touch()
    output = tmp_path / "mine" / "demo" / "train-0" / "output"
    output.mkdir()
    (output / "trainer_log.jsonl").write_text('{"current_steps": 30, "total_steps": 90, "loss": 0.5}\n')
    stages = json.loads(call("status", "mine", "--json", "--runs-dir", tmp_path))["mine"]
    assert [(stage["stage"], stage["state"], stage["progress"]) for stage in stages] == [
        ("demo/init", "done", ""),
        ("demo/convert", "done", ""),
        ("demo/train", "stopped", "step 30/90, loss 0.5"),
    ]
    assert "mine: not running" in call("status", "recipes/mine.yaml", "--runs-dir", tmp_path)
