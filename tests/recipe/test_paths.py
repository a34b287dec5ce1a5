"""Relative paths of a recipe: from the recipe first, then from where the command runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe

TEXT = """method: sft
model: {name: X, path: weights, toolkit: llamafactory, template: qwen, type: LLM, parts: {tower: parts/tower}}
tasks: [demo]
train: {deepspeed: ds.json}
prompt: {template: "my/{modality}.j2"}
"""
FILES = ("weights/config.json", "parts/tower", "ds.json", "my/text.j2")


def put(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def paths(recipe: Recipe) -> list[str | None]:
    model, train = recipe.model, recipe.training
    return [model.path, model.parts["tower"], train.deepspeed, recipe.prompt.template]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "r.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_from_the_recipe_then_from_here(folder: Path) -> None:
    recipe, written = Path("../there/r.yaml"), ["weights", "parts/tower", "ds.json", "my/{modality}.j2"]
    put(folder / "here", *FILES[:-1])
    assert paths(load_recipe(recipe)) == written
    put(folder / "there", *FILES)
    assert paths(load_recipe(recipe)) == [f"../there/{name}" for name in written]


def test_from_the_file_in_which_it_stands(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "own.yaml").write_text("extends: ../there/r.yaml\nmodel: {path: other}\n")
    put(folder / "there", *FILES, "other/config.json")
    put(folder / "mine", "ds.json", "other/config.json")
    found = paths(load_recipe(folder / "mine" / "own.yaml"))
    assert found[:3] == [f"{folder}/mine/other", f"{folder}/there/parts/tower", f"{folder}/there/ds.json"]


def test_the_command_line_means_here_first(folder: Path) -> None:
    put(folder / "here", *FILES)
    put(folder / "there", *FILES, "only/config.json")
    recipe = folder / "there" / "r.yaml"
    assert load_recipe(recipe, ["model.path=weights"]).model.path == "weights"
    assert load_recipe(recipe, ["model.path=only"]).model.path == f"{folder}/there/only"


def test_names_stay_names(folder: Path) -> None:
    put(folder / "there", "zero2/x", "mmla/text.j2", "gpt-4o/config.json")
    recipe = folder / "there" / "r.yaml"
    hosted = "model={name: Y, path: gpt-4o, toolkit: openai_api, type: MLLM, gpus: 0}"
    found = load_recipe(recipe, ["prompt.template=mmla/text.j2", hosted, "method=zero_shot"])
    assert (found.prompt.template, found.model.path) == ("mmla/text.j2", "gpt-4o")
    assert load_recipe(recipe, ["train.deepspeed=zero2"]).training.deepspeed == "zero2"


def test_where_a_key_stands(folder: Path) -> None:
    recipe = load_recipe(folder / "there" / "r.yaml", ["train.epochs=2"])
    file = folder / "there" / "r.yaml"
    assert recipe.place("model.template") == f"{file}:2:66"
    assert recipe.place("model.revision") == f"{file}:2:8"  # not written out: its section
    assert recipe.place("train.epochs") == "--set train.epochs=2"
    assert recipe.place("select.strategy") == recipe.place("") == str(file)
