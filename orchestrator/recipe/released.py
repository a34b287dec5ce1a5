"""The published protocol (``protocol: released``): its prompt forms, and what it brings to a recipe.

All of it is data: ``released.yaml`` in the folder of each toolkit that the release used, and ``prompts/released/`` with
the forms that several have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from orchestrator.benchmark.task import Task, dataset_of
from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section, refuse
from orchestrator.environments.places import places
from orchestrator.errors import did_you_mean
from orchestrator.machine.checkout import PROMPTS

FILE = "released.yaml"
SHARED = PROMPTS / "released" / "forms.yaml"
TEMPLATE = "released/{form}.j2"  # `prompt.template` of the protocol: the form names the file


class Spelling(Section):
    """What a form says, or says otherwise for a data set or one of its splits."""

    template: str | None = Field(None, description="the file in prompts/released, without .j2")
    spelling: Literal["words", "underscores"] | None = Field(None, description="of the task's name")
    task: str | None = Field(None, description="the task's name itself, where it is another one")
    labels: Literal["capitalised"] | tuple[str, ...] | None = Field(None, description="else the task's, lower case")
    answer: Literal["capitalised"] | None = Field(None, description="else lower case")


class DatasetSpelling(Spelling):
    """What a form says otherwise for a data set."""

    splits: dict[str, Spelling] = Field(default_factory=dict)


class Form(DatasetSpelling):
    """The prompts and answers of one kind of released file or script."""

    template: str = Field(description="the file in prompts/released, without .j2")
    datasets: dict[str, DatasetSpelling] = Field(default_factory=dict)


class Family(Section):
    """What the release did with some models of a toolkit."""

    modality: Literal["text", "video"]
    train: str = Field(description="the name of the form in training")
    infer: str = Field(description="the name of the form in inference")
    template: str | None = Field(None, description="the chat template of the models (none: any)")
    names: tuple[str, ...] = Field((), description="patterns of the models' names (none: any)")
    media: str | None = Field(None, description="placeholder before a question, where it is not as in training")
    note: str | None = Field(None, description="said by `validate`")
    prompt: dict[str, JsonValue] = Field(default_factory=dict, description="keys of that recipe section")
    inference: dict[str, JsonValue] = Field(default_factory=dict)
    video: dict[str, JsonValue] = Field(default_factory=dict)

    def fits(self, modality: str, template: str | None, name: str) -> bool:
        """Whether it is for a model of that modality, chat template and name."""
        return (
            self.modality == modality
            and self.template in (None, template)
            and (not self.names or any(fnmatchcase(name, pattern) for pattern in self.names))
        )


class Script(Section):
    """What the release's own scripts start for a method, to be set beside a plan of ours."""

    loads: int = Field(0, description="how often they load the model, whatever the tasks")
    loads_per_task: int = 0
    merged: int = Field(0, description="how many whole models they write by merging an adapter into the weights")
    merged_per_task: int = 0
    models: tuple[str, ...] = Field((), description="the models that have the script (none: all of the toolkit)")


class Release(Section):
    """What the release did with a toolkit."""

    forms: dict[str, Form] = Field(default_factory=dict, description="of its training files")
    families: tuple[Family, ...] = Field((), description="the first that fits a model counts")
    scripts: dict[str, Script] = Field(default_factory=dict, description="by method")

    @model_validator(mode="after")
    def _has_its_forms(self) -> Release:
        known = [*self.forms, *_shared()]
        for number, entry in enumerate(self.families):
            for key, name in (("train", entry.train), ("infer", entry.infer)):
                if name not in known:
                    hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
                    raise refuse((("families", number, key),), f"unknown form `{name}`", hint)
        return self


class Spelled(Section):
    """How a task is put in one kind of released file or script.

    ``template``: the file's stem in ``prompts/released``; ``word`` and ``labels``: as the prompt spells them;
    ``capitalised``: whether the answer's label starts with a capital.
    """

    template: str
    word: str
    labels: tuple[str, ...]
    capitalised: bool


@cache
def release(toolkit: str) -> Release:
    """What the release did with a toolkit; nothing, where its folder has no ``released.yaml``.

    Raises:
        InputError: the file is wrong.
    """
    file = places()[toolkit].code / FILE
    return load(file, Release, "a file of released values") if file.is_file() else Release()


def family(toolkit: str, modality: str, template: str | None, name: str) -> Family | None:
    """What the release did with such a model; ``None`` where it did nothing of the kind."""
    return next((entry for entry in release(toolkit).families if entry.fits(modality, template, name)), None)


@cache
def _shared() -> dict[str, Form]:
    return load(SHARED, dict[str, Form], "a file of prompt forms")


@cache
def spelled(toolkit: str, form: str, task: Task, split: str) -> Spelled:
    """How a toolkit's form of that name puts a task's split.

    A task that the release has not takes what the form says of no data set in particular.
    """
    entry = {**_shared(), **release(toolkit).forms}[form]
    for_dataset = entry.datasets.get(dataset_of(task.name), DatasetSpelling())
    layers = (entry, for_dataset, for_dataset.splits.get(split, Spelling()))

    def said(key: str) -> Any:
        return next((value for layer in reversed(layers) if (value := getattr(layer, key)) is not None), None)

    words = task.dimension.replace("_", " ") if said("spelling") == "words" else task.dimension
    labels = said("labels") or task.labels
    if labels == "capitalised":
        labels = tuple(label.capitalize() for label in task.labels)
    capitalised = said("answer") == "capitalised"
    return Spelled(template=said("template"), word=said("task") or words, labels=labels, capitalised=capitalised)


def protocol_values(entry: Family, section: str, given: set[str]) -> dict[str, Any]:
    """The values that the protocol brings to a recipe's section in which ``given`` keys have values of their own."""
    own: Mapping[str, Any] = getattr(entry, section)
    if section == "prompt":
        own = {"template": TEMPLATE, **own}
    values = {key: value for key, value in own.items() if key not in given}
    if "system" in given:
        values.pop("train_system", None)  # one's own message is for training, too
    if {"temperature", "top_p"} & given:
        values = {key: value for key, value in values.items() if key not in ("temperature", "top_p")}
    return values
