from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.errors import InputError
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.train import Train, batch_conflict
from tests.tables import plan_of

MODEL = {"name": "M", "path": "org/m", "toolkit": "llamafactory", "type": "LLM"}


def recipe(**values: object) -> Recipe:
    data = {"name": "r", "method": "sft", "model": MODEL, "tasks": ["MELD"]} | values
    return Recipe.model_validate_json(json.dumps(data), strict=True)


def test_defaults() -> None:
    made = recipe()
    assert made.train == Train()
    assert made.tasks == ("MELD",)
    assert made.seed == 42
    assert made.inference.temperature == 0
    assert (made.source, made.data.limit, made.resources.processes) == (None, None, 1)


def test_zero_shot_drops_the_training_that_a_base_file_holds_even_where_it_does_not_fit() -> None:
    assert recipe(method="zero_shot", train={"batch_size": 3, "micro_batch_size": 2}).train is None


@pytest.mark.parametrize(
    ("kind", "asked", "shown"),
    [("LLM", None, "text"), ("MLLM", None, "video"), ("MLLM", "text", "text"), ("MLLM", "video", "video")],
)
def test_modality(kind: str, asked: str | None, shown: str) -> None:
    assert recipe(model=MODEL | {"type": kind}, data={"modality": asked}).modality == shown


def test_an_llm_is_shown_no_video() -> None:
    with pytest.raises(ValidationError, match="`M` is an LLM: it reads no video"):
        recipe(data={"modality": "video"})


def test_data_root_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMLA_DATA_ROOT", "/mmla")
    assert recipe().data.root == "/mmla"
    monkeypatch.delenv("MMLA_DATA_ROOT")
    assert recipe().data.root == "data"


def test_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        recipe().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("batch", "micro", "processes", "hint"),
    [
        (16, 1, 3, "batch_size 15 or 18 would work"),
        (10, 4, 1, "batch_size 8 or 12 would work, or with 10 a micro_batch_size of 1, 2, 5, 10"),
        (1, 2, 2, "batch_size 4 would work"),
    ],
)
def test_batch_that_cannot_be_split(batch: int, micro: int, processes: int, hint: str) -> None:
    conflict = batch_conflict(batch, micro, processes)
    assert conflict is not None
    assert conflict[1] == hint
    with pytest.raises(ValidationError, match="cannot be split"):
        recipe(train={"batch_size": batch, "micro_batch_size": micro}, resources={"processes": processes})


@pytest.mark.parametrize(("batch", "micro", "processes"), [(16, 4, 2), (1, 1, 1), (6, 1, 3)])
def test_batch_that_can(batch: int, micro: int, processes: int) -> None:
    assert batch_conflict(batch, micro, processes) is None


def test_resolved_is_a_recipe_again_in_the_order_of_the_fields() -> None:
    made = recipe(seed=3, train={"extra": {"flash_attn": "sdpa"}})
    resolved = made.resolved()
    assert list(resolved)[:4] == ["name", "description", "method", "model"]
    assert "source" not in resolved
    assert Recipe.model_validate_json(json.dumps(resolved), strict=True) == made


def test_digest_depends_on_the_content_alone() -> None:
    made = recipe()
    assert re.fullmatch("[0-9a-f]{64}", made.digest)
    assert made.digest == recipe(seed=42).digest
    assert made.digest == made.model_copy(update={"source": "elsewhere.yaml"}).digest
    assert made.digest != recipe(seed=43).digest


def test_every_setting_is_described() -> None:
    for section in (Recipe, *(f.annotation for f in Recipe.model_fields.values()), Train):
        for name, field in getattr(section, "model_fields", {}).items():
            inner = field.annotation
            assert field.description or getattr(inner, "__doc__", None), f"{section}.{name}"


def test_leaks_are_a_matter_of_instruction_tuning(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiny.yaml:5:\d+: `it.exclude_leaks` is for method it"):
        plan_of(tmp_path, "method: sft\nmodel: tiny_qwen2\ntasks: [MELD]\nit: {exclude_leaks: true}\n", tmp_path)
