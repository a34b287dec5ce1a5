"""Training data in the toolkit's format."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from orchestrator.benchmark.task import Task
from orchestrator.data.leaks import leaked
from orchestrator.data.samples import Sample, split_file
from orchestrator.machine.files import atomic_write
from orchestrator.plan.outputs import ConvertOutputs
from orchestrator.plan.plan import TRAIN_SPLITS, Stage
from orchestrator.prompts.examples import Example, examples_of, samples_of, system_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.run.stages.context import Context
from orchestrator.toolkits.released import layout_of, write_released


def convert(context: Context, stage: Stage) -> ConvertOutputs:
    """Write the training data in the toolkit's format; the tasks of `it` are mixed with the recipe's seed.

    Under the published protocol in the layout of its files, which the toolkit reads, too.

    Raises:
        StageError: the data is not what was planned for.
    """
    recipe, trainer = context.recipe, context.plan.trainer
    layout = layout_of(trainer, recipe.modality) if recipe.released else None
    root = Path(recipe.data.root)
    bad: dict[str, dict[str, int]] = {split: {} for split in TRAIN_SPLITS}
    outputs = ConvertOutputs(rows={}, videos=video_folder(recipe), bad_videos=bad, leaks=0)
    leaks = _leaks(recipe, context.job.tasks)
    for split in TRAIN_SPLITS:
        tasks = [task for task in context.job.tasks if split_file(task, split, root)]
        if not tasks:
            continue
        examples: Iterable[Example] = chain.from_iterable(
            _examples(context, task, split, leaks.get(task, set()), outputs) for task in tasks
        )
        if len(tasks) > 1:
            mixed = list(examples)
            random.Random(recipe.seed).shuffle(mixed)
            examples = mixed
        path = stage.folder / f"{split}{trainer.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            if layout:
                outputs.rows[split] = write_released(layout, examples, file)
            else:
                outputs.rows[split] = trainer.write_examples(examples, file, recipe.modality)
            file.flush()
            os.fsync(file.fileno())
    system = system_of(recipe, training=True) is not None
    extra = trainer.dataset_files(list(outputs.rows), recipe.modality, system=system)
    for name, text in extra.items():
        atomic_write(stage.folder / name, text)
    context.need_unchanged(stage)
    return outputs


def _leaks(recipe: Recipe, tasks: Sequence[Task]) -> dict[Task, set[str]]:
    """By task, the ids of the training samples that `it.exclude_leaks` leaves out."""
    data, it = recipe.data, recipe.it
    if not it.exclude_leaks:
        return {}
    found = leaked(tasks, tasks, Path(data.root), columns=data.columns, text=it.leak_texts)
    return {task: one.ids for task, one in found.items()}


def _examples(context: Context, task: Task, split: str, leaks: set[str], outputs: ConvertOutputs) -> Iterator[Example]:
    """A task's examples to train on; what is left out or changed of them is counted in the outputs."""
    recipe = context.recipe
    bad = context.plan.bad_videos

    def chosen(samples: Sequence[Sample]) -> Sequence[Sample]:
        if split == "train":
            kept = [sample for sample in samples if sample.id not in leaks]
            outputs.leaks += len(samples) - len(kept)
            samples = kept
        outputs.bad_videos[split][task.name] = len(bad.bad_ids(samples))
        return bad.usable(samples)

    return examples_of(recipe, task, split, chosen, training=True)


def order_of(context: Context, split: str) -> list[str]:
    """What stands in each row of a converted split, as ``<task>/<sample id>``."""
    recipe, root = context.recipe, Path(context.recipe.data.root)
    tasks = [task for task in context.job.tasks if split_file(task, split, root)]
    leaks = _leaks(recipe, context.job.tasks) if split == "train" else {}
    names = []
    for task in tasks:
        out = leaks.get(task, set())
        samples = [sample for sample in samples_of(recipe, task, split) if sample.id not in out]
        names += [f"{task.name}/{sample.id}" for sample in context.plan.bad_videos.usable(samples)]
    if len(tasks) > 1:
        random.Random(recipe.seed).shuffle(names)
    return names


def video_folder(recipe: Recipe) -> str | None:
    """Where a video recipe's clips lie, as its converted files name them."""
    if not recipe.shows_clips:
        return None
    return str(Path(recipe.data.video_root.replace("{root}", recipe.data.root)).absolute())
