from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.validate import validate_recipes
from orchestrator.recipe.files import RecipeFiles
from tests.released_data import QWEN, SAYS, three_tasks
from tests.running import call
from tests.shared import RECIPES


def test_one_prompt_for_two_recipes_that_ask_the_same(demo: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {RECIPES}/demo.yaml\ndata: {{root: {demo}}}\n")
    files = (tmp_path / "one.yaml", tmp_path / "two.yaml")
    said = call("validate", *files, "--set", "resources.device=cpu", "--runs-dir", tmp_path / "runs")
    assert said.count("--- demo, test, demo_test_00000\n") == 1
    assert "\n=> " in said
    assert [line for line in said.splitlines() if "good" in line] == [f"{file}: good (1 job, 1 task)" for file in files]


def test_what_training_asks_otherwise_is_shown(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(
        f"extends: {RECIPES}/demo.yaml\ndata: {{root: {demo}}}\n"
        "prompt: {system: Be short., train_system: Be long., history: [[Hello?, Hi.]]}\n"
    )
    said = call("validate", tmp_path / "my.yaml", "--set", "resources.device=cpu", "--runs-dir", tmp_path / "runs")
    assert "--- demo, test, demo_test_00000\nsystem: Be short.\nuser: Hello?\nassistant: Hi.\n" in said
    assert "--- demo, training, demo_train_00000\nsystem: Be long.\n" in said


def test_all_that_is_wrong_and_what_this_machine_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    none = ("--set", f"data.root={tmp_path / 'none'}", "--set", "resources.device=cuda")
    said = call("validate", RECIPES / "demo.yaml", *none, "--runs-dir", tmp_path / "runs", code=2)
    assert "note: Tiny-Qwen2 needs 1 GPU, 0 can be seen here" in said
    assert said.count("none: the data folder does not exist\n    write it with `python -m orchestrator.data.demo") == 1
    assert said.count("\n") == 3
    assert "good" not in said


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


def test_validate_shows_both_forms(data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def said(*overrides: str) -> str:
        path = RECIPES / "tiny_qwen2_sft.yaml"
        validate_recipes(RecipeFiles([path], [f"data.root={data}", *overrides], ["MIntRec"]), tmp_path)
        return capsys.readouterr().out

    both = said("protocol=released")
    assert f"--- MIntRec, test, MIntRec_test_0\nsystem: {QWEN}\n{SAYS}" in both
    assert "--- MIntRec, training, MIntRec_train_0\nsystem: You are a helpful assistant.\nThe speaker says:" in both
    assert "=> intent: Complain\n" in both
    assert said().count("---") == 1
