"""From a task's data to prompts: the same for training, inference and a look by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator import prompts
from orchestrator.benchmark import Task
from orchestrator.data import Sample, read_split, split_file
from orchestrator.recipe import Recipe
from orchestrator.toolkits.base import Example


def samples_of(recipe: Recipe, task: Task, split: str) -> list[Sample]:
    """The samples of a task's split under the recipe's data settings.

    Raises:
        InputError: the file is missing, or rows are wrong; all of them at once.
    """
    data = recipe.data
    return read_split(task, split, Path(data.root), data.video_root, limit=data.limit, columns=data.columns)


def load_prompt(recipe: Recipe) -> prompts.Prompt:
    """The recipe's prompt template.

    Raises:
        InputError: it does not exist or is no template.
    """
    return prompts.load(template_name(recipe))


def template_name(recipe: Recipe) -> str:
    """The template's name with its place holder filled, e.g. ``mmla/text.j2``."""
    return recipe.prompt.template.replace("{modality}", recipe.modality)


def corpus_split(recipe: Recipe, task: Task) -> str:
    """The split whose text a model made from scratch learns its tokens from: train, or what there is."""
    root = Path(recipe.data.root)
    return next((split for split in ("train", "dev", "test") if split_file(task, split, root)), "train")


def examples_of(recipe: Recipe, task: Task, split: str) -> Iterator[Example]:
    """The samples of a split with prompt and answer, in the data's order."""
    prompt = load_prompt(recipe)
    for sample in samples_of(recipe, task, split):
        rendered = prompt.render(task, text=sample.text)
        yield Example(sample, rendered, prompt.answer(task, sample.label), recipe.prompt.system)


def request_lines(recipe: Recipe, tasks: Sequence[Task], split: str) -> Iterator[str]:
    """One JSON line per sample of all the tasks; order and ids come from the data alone."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    video = recipe.modality == "video"
    for task in tasks:
        for example in examples_of(recipe, task, split):
            yield encode(
                {
                    "id": f"{task.name}/{example.sample.id}",
                    "task": task.name,
                    "prompt": example.prompt,
                    "video": example.sample.video if video else None,
                    "system": example.system,
                }
            )
