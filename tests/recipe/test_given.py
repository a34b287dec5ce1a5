"""A setting at its default is left out, and the defaults that this takes for granted stay what they are.

``defaults.txt`` lists them. It is not written by a program: each of its lines is a decision.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from orchestrator.checked_yaml.section import Section
from orchestrator.recipe import given as module
from orchestrator.recipe.given import given, usual
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import TrainingVideo, Video
from orchestrator.recipe.train import Lora, TaskTrain, Train
from tests.recipes import shipped

LIST = Path(__file__).with_name("defaults.txt")
# where things are and what a run may use: part of no key and no digest
PLACE = {
    "Recipe.source",
    "Recipe.description",
    "Recipe.resources",
    "Resources",
    "Recipe.slurm",
    "Slurm",
    "Data.root",
    "Data.video_root",
}
# a row counts as what it comes to
PLACE |= {"TaskTrain"}
ADVICE = f"""
    {LIST.name} is not what the recipe's settings say. Keys leave a setting out at its default, so:
    - a setting is new: add its line to {LIST.name};
    - a default changed: enter the old one in `FORMER` of recipe/given.py, and leave its line as it is. Who relied on
      the default computes something else now, and so gets a new key; who wrote the old value out keeps theirs;
    - a setting is gone: remove its line."""


def sections(section: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A section and all those in it, each once."""
    yield section
    for field in section.model_fields.values():
        for kind in typing.get_args(field.annotation) or (field.annotation,):
            if isinstance(kind, type) and issubclass(kind, Section):
                yield from sections(kind)


def defaults() -> Iterator[str]:
    """One line a setting that may be left out: what it is then."""
    for section in dict.fromkeys(sections(Recipe)):
        for name, field in section.model_fields.items():
            if {section.__name__, f"{section.__name__}.{name}"} & PLACE or field.is_required():
                continue
            value = usual(section, name)
            shown = type(value).__name__ if isinstance(value, Section) else repr(value)
            yield f"{section.__name__}.{name} = {shown}"


def test_no_default_changed_unsaid() -> None:
    assert list(defaults()) == LIST.read_text().splitlines(), ADVICE


def test_all_sections_are_looked_at() -> None:
    names = {section.__name__ for section in sections(Recipe)}
    assert {"Recipe", "Train", "Lora", "Video", "TrainingVideo", "ModelSpec", "RandomInit", "Inference"} <= names


def test_what_is_as_by_default_is_left_out() -> None:
    assert given(Train()) == given(None) == {}
    assert given(Train(epochs=3, lora=Lora(rank=8), extra={}, deepspeed=None)) == {}
    assert given(Train(epochs=2, lora=Lora(rank=9, alpha=16))) == {"epochs": 2.0, "lora": {"rank": 9}}
    assert given(Train(epochs=2, lora=Lora(rank=9, dropout=0.5)), ["epochs", "lora.rank"]) == {"lora": {"dropout": 0.5}}


def test_a_section_that_need_not_be_there_counts_even_with_its_defaults() -> None:
    assert given(Video()) == {}
    assert given(Video(training=TrainingVideo())) == {"training": {}}
    assert given(Video(training=TrainingVideo(fps=1))) == {"training": {"fps": 1.0}}


def test_what_is_required_is_always_told() -> None:
    found = given(shipped("demo").model)
    assert {"name", "toolkit", "type", "init"} <= found.keys()
    assert not {"revision", "trust_remote_code", "attention", "path"} & found.keys()


def test_a_default_that_changed_is_told_and_the_former_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Train(Section):
        epochs: float = 3.0
        lora: Lora = Field(default_factory=Lora)

    class Later(Section):
        epochs: float = 5.0
        lora: Lora = Field(default_factory=Lora)

    Later.__name__ = "Train"
    before, explicit = given(Train()), given(Train(epochs=5))
    monkeypatch.setattr(module, "FORMER", {"Train.epochs": 3.0, "Lora.rank": 16})
    assert before == {}
    assert given(Later()) == explicit | {"lora": {"rank": 8}} == {"epochs": 5.0, "lora": {"rank": 8}}
    assert given(Later(epochs=3, lora=Lora(rank=16))) == before


def with_rows(**rows: Any) -> Recipe:
    recipe = shipped("qwen2_7b_sft", "tasks=[MELD, MIntRec]")
    train = recipe.training.model_copy(update={"per_task": {n: TaskTrain(**row) for n, row in rows.items()}})
    return recipe.model_copy(update={"train": train})


def test_a_row_counts_as_what_it_comes_to() -> None:
    plain = with_rows()
    epochs, rank = plain.training.epochs, plain.training.lora.rank
    assert plain.digest == with_rows(MELD={"epochs": epochs}).digest, "as it is anyway"
    assert plain.digest == with_rows(MELD={"lora": {"rank": rank}}).digest
    assert plain.digest == with_rows(DAIC={"epochs": 1}).digest, "a task that is not run"
    other = with_rows(MELD={"epochs": 1}).digest
    assert len({plain.digest, other, with_rows(MIntRec={"epochs": 1}).digest}) == 3
    assert other == with_rows(MELD={"epochs": 1, "lora": {"rank": rank}}, MIntRec={}).digest
