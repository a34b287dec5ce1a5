"""The catalogue of models."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.benchmark import model as module
from orchestrator.benchmark.model import ModelSpec, model_problems, models, read_models, unknown_model
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


def test_a_wrong_entry_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models.yaml").write_text("a: {name: A, toolkit: swift, type: LLM}\nb: {name: B, tolkit: swift}\n")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "model.py"))
    module._read_all.cache_clear()
    try:
        assert list(models()) == ["a"]
        assert len(model_problems()) == 3
        first, *others = unknown_model("b", "r.yaml:1:1")
        assert first.message == "the model `b` cannot be used: what defines it is wrong"
        assert others == model_problems()
        assert [problem.message for problem in unknown_model("c", "")] == ["unknown model `c`"]
        assert model_problems()[0].where == f"{tmp_path}/models.yaml:2"
        (tmp_path / "models.yaml").write_text("a: [")
        module._read_all.cache_clear()
        assert models() == {}
        assert len(unknown_model("a", "")) == 2
    finally:
        module._read_all.cache_clear()
