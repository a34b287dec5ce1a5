"""The catalogue of models."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.benchmark.model import ModelSpec, models, read_models
from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe
from tests.recipe_files import write

MODEL = {"name": "M", "path": "org/m", "toolkit": "llamafactory", "type": "LLM"}


@pytest.mark.usefixtures("own_folder")
def test_every_model_of_the_catalogue_is_valid() -> None:
    for name in models():
        load_recipe(write(f"method: zero_shot\nmodel: {name}\ntasks: all\n"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init": {"config": {"model_type": "qwen2"}}}, "both `path` and `init`"),
        ({"path": None}, "neither `path` nor `init`"),
        ({"path": None, "init": {"config": {}}}, "no `model_type`"),
    ],
)
def test_a_model_comes_from_one_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelSpec(**(MODEL | change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {name: A, toolkit: swift, type: LLM}\na: {name: B, toolkit: swift, type: LLM}\n", "`a` is defined twice"),
        ("a: {toolkit: swift, type: LLM}\n", "model `a`: `name` is missing"),
        ("a: {name: A, toolkit: swift, type: LLM, tempalte: x}\n", "unknown key `tempalte`. did you mean `template`"),
        ("a: qwen\n", "model `a`: must be a mapping"),
    ],
)
def test_a_catalogue_with_mistakes(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_models(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
