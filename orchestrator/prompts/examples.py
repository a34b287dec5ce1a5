"""From a task's data to prompts: the same for training, inference and a look by hand.

Only under the published protocol (``protocol: released``) do training and inference ask differently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import SPLITS, Task
from orchestrator.data.samples import Sample, read_split, split_file
from orchestrator.errors import InputError
from orchestrator.prompts import template as prompts
from orchestrator.recipe import released
from orchestrator.recipe.recipe import Recipe

SampleFilter = Callable[[Sequence[Sample]], Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Example:
    """A sample with its rendered prompt and the answer that training teaches, e.g. ``emotion: joy``."""

    sample: Sample
    prompt: str
    answer: str
    system: str | None = None


@dataclass(frozen=True)
class Wording:
    """How one split of a task is asked and answered: the template, and the task as the template spells it."""

    name: str
    prompt: prompts.Prompt
    task: Task
    capitalised: bool = False

    def example(self, sample: Sample, system: str | None = None) -> Example:
        """The sample with prompt and answer.

        Raises:
            InputError: the template fails.
        """
        prompt = self.prompt.render(self.task, text=sample.text)
        return Example(sample, prompt, self.answer(sample.label), system)

    def answer(self, label: str) -> str:
        """The answer that names a label."""
        return self.prompt.answer(self.task, label.capitalize() if self.capitalised else label)

    @property
    def identity(self) -> list[Any]:
        """What tells two wordings apart, as JSON values."""
        return [self.prompt.digest, self.task.word, self.task.labels, self.capitalised]


def wording_from(task: Task, split: str, template: str, form: tuple[str, str] | None) -> Wording:
    """The wording of a task's split by a template and, under the published protocol, a toolkit's prompt form by name.

    Raises:
        InputError: the template does not exist or is none.
    """
    if form is None:
        return Wording(template, prompts.load(template), task)
    chosen = released.spelled(*form, task, split)
    name = template.replace("{form}", chosen.template)
    spelled = replace(task, word=chosen.word, labels=chosen.labels)
    return Wording(name, prompts.load(name), spelled, chosen.capitalised)


def wording_of(recipe: Recipe, task: Task, split: str, *, training: bool = False) -> Wording:
    """How a recipe asks for a task's split in training or in inference.

    Raises:
        InputError: the template does not exist or is none.
    """
    entry = recipe.released
    form = None if entry is None else (recipe.model.toolkit, entry.train if training else entry.infer)
    with _named_by(recipe):
        return wording_from(task, split, template_name(recipe), form)


def label_answers(recipe: Recipe, task: Task) -> dict[str, list[str]]:
    """A task's labels, and how each is answered, in the order of its list: as in training, where there was one.

    Raises:
        InputError: the template does not exist or is none.
    """
    trained = recipe.train is not None
    wording = wording_of(recipe, task, "train" if trained else recipe.inference.split, training=trained)
    return {"labels": list(task.labels), "answers": [wording.answer(label) for label in task.labels]}


@contextmanager
def _named_by(recipe: Recipe) -> Iterator[None]:
    """Where a template is missing, the place in the recipe that names it."""
    try:
        yield
    except InputError as error:
        place = recipe.place("prompt.template")
        raise InputError([replace(problem, where=problem.where or place) for problem in error.problems]) from error


def samples_of(recipe: Recipe, task: Task, split: str) -> list[Sample]:
    """The samples of a task's split under the recipe's data settings.

    Raises:
        InputError: the file is missing, or rows are wrong; all of them at once.
    """
    data = recipe.data
    root, videos = Path(data.root), data.video_root
    return read_split(task, split, root, videos, limit=data.limit, seed=data.limit_seed, columns=data.columns)


def template_name(recipe: Recipe) -> str:
    """The template's name with its place holder filled, e.g. ``mmla/text.j2``."""
    return recipe.prompt.template.replace("{modality}", recipe.modality)


def system_of(recipe: Recipe, *, training: bool = False) -> str | None:
    """The system message in training or inference; ``None`` is the chat template's own."""
    prompt = recipe.prompt
    if training and prompt.train_system is not None:
        return prompt.train_system or None
    return prompt.system


def wording_inputs(
    recipe: Recipe, tasks: Iterable[Task], splits: Sequence[str], *, training: bool = False
) -> dict[str, Any]:
    """What decides the questions about some splits besides the data, as JSON values: part of stage keys.

    Raises:
        InputError: a template does not exist or is none.
    """
    found: dict[str, Any] = {"system": system_of(recipe, training=training), "modality": recipe.modality}
    if training and recipe.prompt.train_system == "":
        found["system"] = ""
    if not training and recipe.prompt.history:
        found["history"] = recipe.prompt.history
    if recipe.released is None:
        with _named_by(recipe):
            return {"prompt": prompts.load(template_name(recipe)).digest} | found
    forms = [wording_of(recipe, task, split, training=training).identity for task in tasks for split in splits]
    return {"prompt": forms, "protocol": recipe.protocol} | found


def corpus_split(recipe: Recipe, task: Task) -> str:
    """The split whose text a model made from scratch learns its tokens from: train, or what there is."""
    root = Path(recipe.data.root)
    return next((split for split in SPLITS if split_file(task, split, root)), "train")


def examples_of(
    recipe: Recipe, task: Task, split: str, chosen: SampleFilter = list, *, training: bool = False
) -> Iterator[Example]:
    """The samples of a split with prompt and answer, in the data's order, as in training or as in inference.

    ``chosen`` may leave samples out or change them.

    Raises:
        InputError: the data or the template is wrong.
    """
    wording, system = wording_of(recipe, task, split, training=training), system_of(recipe, training=training)
    for sample in chosen(samples_of(recipe, task, split)):
        yield wording.example(sample, system)


def request_lines(recipe: Recipe, tasks: Sequence[Task], split: str, chosen: SampleFilter = list) -> Iterator[str]:
    """One JSON line per sample of all the tasks; order and ids come from the data alone. ``chosen``: as above.

    Only where a recipe has them: ``history``, [user, assistant] turns before the question, and ``media``, the
    placeholder that stands for the video where it is not the toolkit's own.

    Raises:
        InputError: the data or the template is wrong.
    """
    encode = json.JSONEncoder(ensure_ascii=False).encode
    video = recipe.modality == "video"
    more: dict[str, Any] = {"history": recipe.prompt.history} if recipe.prompt.history else {}
    if recipe.released is not None and recipe.released.media is not None:
        more["media"] = recipe.released.media
    for task in tasks:
        for example in examples_of(recipe, task, split, chosen):
            yield encode(
                {
                    "id": f"{task.name}/{example.sample.id}",
                    "task": task.name,
                    "prompt": example.prompt,
                    "video": example.sample.video if video else None,
                    "system": example.system,
                    **more,
                }
            )
