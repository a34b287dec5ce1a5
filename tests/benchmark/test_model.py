"""The catalogue of models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.benchmark import model as module
from orchestrator.benchmark.model import ModelSpec, model_problems, models, unknown_model
from orchestrator.checked_yaml.files import load_entries
from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe
from tests.recipe_files import problems, write

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
    ("text", "expected"),
    [
        ("a: {name: A, toolkit: swift, type: LLM, path: x}\na: {name: B, toolkit: swift, type: LLM, path: x}\n",
         "2:1: duplicate key `a`\n    it stands already at F:1:1: remove one"),
        ("a: {toolkit: swift, type: LLM, path: x}\n", "1:1: `a.name` is missing\n    add `name: ...`"),
        ("a: {name: A, toolkit: swift, type: LLM, path: x, tempalte: x}\n",
         "1:50: unknown key `a.tempalte`\n    did you mean `template`?"),
        ("a: qwen\n", "1:4: `a` must be a mapping (lines of `key: value`), not the text 'qwen'"),
        ("a:\n  name: A\n  toolkit: swift\n  type: LLM\n  path: x\n  gpus: two\n",
         "6:9: `a.gpus` must be a whole number, not the text 'two'"),
        ("a: {name: A, toolkit: swift, type: VLM, path: x}\n",
         "1:36: `a.type` must be one of LLM, MLLM, not the text 'VLM'"),
        ("a: {name: A, toolkit: swift, type: LLM}\n", "1:4: `a`: neither `path` nor `init` is given"),
        ("a:\n  {name: A, toolkit: swift, type: LLM, path: x, init: {config: {}}}\n",
         "2:64: `a.init.config`: the configuration holds no `model_type`"),
    ],
)  # fmt: skip
def test_a_catalogue_with_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_entries(file, ModelSpec, "a file of models").checked()
    (problem,) = (str(problem).replace(str(file), "F") for problem in caught.value.problems)
    assert problem.startswith(f"F:{expected}")


@pytest.fixture
def own_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "model.py"))
    module.catalogue.cache_clear()
    yield tmp_path / "models.yaml"
    module.catalogue.cache_clear()


def test_a_wrong_entry_costs_only_itself(own_catalogue: Path) -> None:
    own_catalogue.write_text("a: {name: A, toolkit: swift, type: LLM, path: x}\nb: {name: B, tolkit: swift}\n")
    assert list(models()) == ["a"]
    assert len(model_problems()) == 3
    first, *others = unknown_model("b", "r.yaml:1:1")
    assert first.message == "the model `b` cannot be used: what defines it is wrong"
    assert sorted(map(str, others)) == sorted(map(str, model_problems()))
    assert [problem.message for problem in unknown_model("c", "")] == ["unknown model `c`"]
    assert model_problems()[0].where == f"{own_catalogue}:2:1"
    own_catalogue.write_text("a: [")
    module.catalogue.cache_clear()
    assert models() == {}
    assert len(unknown_model("a", "")) == 2


@pytest.mark.usefixtures("own_folder")
def test_what_is_wrong_with_an_entry_is_told_where_it_stands(own_catalogue: Path) -> None:
    own_catalogue.write_text(
        "a: {name: A, toolkit: swfit, type: LLM, path: x}\nb: {name: B, toolkit: swift, type: LLM, gpus: -1, path: x}\n"
    )
    assert problems("method: zero_shot\nmodel: a\ntasks: [MELD]\n") == [
        f"{own_catalogue}:1:23: unknown toolkit `swfit`\n    did you mean `swift`?"
    ]
    assert problems("method: zero_shot\nmodel: b\ntasks: [MELD]\n") == [
        f"{own_catalogue}:2:47: `b.gpus` must be at least 0, not -1",
        "x.yaml:2:8: the model `b` cannot be used: what defines it is wrong",
    ]
    # a recipe that says itself what is wrong there is not stopped by it
    load_recipe(write("method: zero_shot\nmodel: {name: a, toolkit: swift}\ntasks: [MELD]\n"))
