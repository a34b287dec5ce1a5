"""The published protocol (``protocol: released``): its prompt forms, and what it brings to a recipe.

Both are data: ``prompts/released/forms.yaml`` and ``benchmark/released.yaml``. How files are laid out is known in
``toolkits/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.checked_yaml.plain import load_yaml
from orchestrator.machine.checkout import PROMPTS

FORMS = PROMPTS / "released" / "forms.yaml"
FAMILIES = Path(__file__).parent / "released.yaml"
TEMPLATE = "released/{form}.j2"  # `prompt.template` of the protocol: the form names the file


@dataclass(frozen=True)
class Form:
    """How a task is put in one kind of released file or script.

    Attributes:
        template: the file's stem in ``prompts/released``.
        word: as the prompt spells the task.
        labels: as the prompt spells the candidate labels.
        capitalised: whether the answer's label starts with a capital.
    """

    template: str
    word: str
    labels: tuple[str, ...]
    capitalised: bool


@dataclass(frozen=True)
class Family:
    """One entry of ``benchmark/released.yaml``: what the release did with some models.

    Attributes:
        train: the name of the form in training.
        infer: the name of the form in inference.
        template: the chat template of the models; ``None``: any.
        names: patterns of the models' names; none: any.
        media: placeholder in front of a question in inference, where it is not that of training.
        prompt, inference, video: keys of those recipe sections with their values.
    """

    toolkit: str
    modality: str
    train: str
    infer: str
    template: str | None = None
    names: tuple[str, ...] = ()
    media: str | None = None
    note: str | None = None
    prompt: Mapping[str, Any] = field(default_factory=dict)
    inference: Mapping[str, Any] = field(default_factory=dict)
    video: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, toolkit: str, modality: str, template: str | None, name: str) -> bool:
        """Whether it is for a model of that toolkit, modality, chat template and name."""
        return (
            (self.toolkit, self.modality) == (toolkit, modality)
            and self.template in (None, template)
            and (not self.names or any(fnmatchcase(name, pattern) for pattern in self.names))
        )


@cache
def families() -> tuple[Family, ...]:
    """The entries, in order: the first that fits counts."""
    return tuple(Family(**entry) for entry in load_yaml(FAMILIES))


def family(toolkit: str, modality: str, template: str | None, name: str) -> Family | None:
    """What the release did with such a model; ``None`` where it did nothing of the kind."""
    return next((entry for entry in families() if entry.fits(toolkit, modality, template, name)), None)


@cache
def _forms() -> dict[str, dict[str, Any]]:
    return dict(load_yaml(FORMS))


@cache
def form(name: str, task: Task, split: str) -> Form:
    """The form of that name for a task's split.

    A task that the release has not takes what the form says of no data set in particular.
    """
    entry = _forms()[name]
    for_dataset = entry.get("datasets", {}).get(task.dataset, {})
    entry = entry | for_dataset | for_dataset.get("splits", {}).get(split, {})
    words = task.dimension.replace("_", " ") if entry["spelling"] == "words" else task.dimension
    labels = entry.get("labels", task.labels)
    if labels == "capitalised":
        labels = [label.capitalize() for label in task.labels]
    return Form(entry["template"], entry.get("task", words), tuple(labels), entry.get("answer") == "capitalised")


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
