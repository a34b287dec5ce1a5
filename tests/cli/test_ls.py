from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.cli import ls
from orchestrator.errors import Problem
from tests.running import call
from tests.shared import RECIPES


@pytest.mark.parametrize(("what", "least"), [("tasks", 13), ("models", 10)])
def test_tasks_and_models(what: str, least: int) -> None:
    assert len(json.loads(call("ls", what, "--json"))) >= least
    assert len(call("ls", what).splitlines()) >= least + 1


def test_every_shipped_recipe_is_good_and_says_what_it_is() -> None:
    rows = json.loads(call("ls", "recipes", "--json"))
    assert len(rows) == len(list(RECIPES.glob("*.yaml")))
    for row in rows:
        assert row["tasks"], row["about"]
        assert row["about"]


def test_a_wrong_recipe_is_told_in_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(RECIPES / "_base", tmp_path / "_base")
    shutil.copy(RECIPES / "demo.yaml", tmp_path / "demo.yaml")
    (tmp_path / "wrong.yaml").write_text("modle: tiny_qwen2\n")
    monkeypatch.setattr(ls, "RECIPES", tmp_path)
    good, wrong = json.loads(call("ls", "recipes", "--json"))
    assert (good["model"], good["method"], good["tasks"]) == ("Tiny-Qwen2", "sft", 1)
    assert wrong["recipe"] == str(tmp_path / "wrong.yaml")
    assert wrong["about"].startswith("wrong: ")
    assert "unknown key `modle`" in wrong["about"]


def test_runs(tmp_path: Path) -> None:
    assert call("ls", "runs", "--runs-dir", tmp_path) == "nothing\n"
    for name, state in (("a", "done"), ("b", "failed")):
        folder = tmp_path / "mine" / "demo" / name
        folder.mkdir(parents=True)
        attempts = [{"started_at": f"2026-01-01T00:00:0{len(state)}"}]
        content = {"state": state, "job": "demo", "stage": "score", "attempts": attempts}
        (folder / "stage.json").write_text(json.dumps(content))
    for name in ("mine", "new"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "recipe.yaml").touch()
    mine, new = json.loads(call("ls", "runs", "--json", "--runs-dir", tmp_path))
    assert mine == {
        "run": "mine", "now": "not running", "stages": "1 done, 1 failed", "folder": str(tmp_path / "mine")
    }  # fmt: skip
    assert new["stages"] == "none"


def test_no_such_list() -> None:
    assert "did you mean `tasks`?" in call("ls", "task", code=2)


def test_what_is_wrong_with_a_model_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ls, "model_problems", lambda: [Problem("not valid YAML", "mine.yaml:2:1")])
    said = call("ls", "models")
    assert "note: mine.yaml:2:1: not valid YAML\n" in said
    assert "qwen2_7b" in said


def test_tasks_of_a_data_folder_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    for name, text in (("Fun", "labels: [funny, serious]\nlanguage: zh\n"), ("Bad", "labels: [a]\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "task.yaml").write_text(text)
    said = call("ls", "tasks", "--data-root", tmp_path)
    (line,) = (line for line in said.splitlines() if line.startswith("Fun "))
    assert line.split() == ["Fun", "category", "2", "zh", "own", str(tmp_path / "Fun" / "task.yaml")]
    assert f"note: {tmp_path}/Bad/task.yaml: `language` is missing\n    add `language: en`" in said
    assert "Fun" not in call("ls", "tasks")
