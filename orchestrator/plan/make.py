"""From a recipe to its plan: reads files, writes nothing, starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import Task, tasks
from orchestrator.machine.meter import Meter
from orchestrator.plan.changes import changes
from orchestrator.plan.differences import DATA
from orchestrator.plan.keys import Inputs, key_of
from orchestrator.plan.outputs import Kind
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.recipe.recipe import Recipe

# what of a task decides what is asked, and which answers are right
_MEANING = attrgetter("dataset", "dimension", "word", "labels", "language")


def make_plan(
    recipe: Recipe, runs_dir: Path, *, merge: bool = False, seen: dict[str, str | None] | None = None
) -> Plan:
    """The jobs and stages of a recipe: zero_shot and it are one job, sft is one job per task.

    Args:
        recipe: the resolved recipe.
        runs_dir: where stage folders go: ``<runs_dir>/<recipe>/<job>/<stage>-<key>``.
        merge: also write merged weights after selection (LoRA only).
        seen: pass the same dictionary for several recipes over the same videos, to look at these once.

    Raises:
        InputError: the toolkit or the prompt template does not exist.
    """
    folder = runs_dir / recipe.name
    seen = {} if seen is None else seen
    groups = job_tasks(recipe).items()
    with Meter(f"planning {recipe.name}"):  # on a slow disk it takes long to look at tens of thousands of videos
        jobs = tuple(_job(_own(recipe, name), name, group, folder / name, merge, seen) for name, group in groups)
    return Plan(recipe, jobs, folder, merge)


def job_tasks(recipe: Recipe) -> dict[str, tuple[Task, ...]]:
    """The names of a recipe's jobs, each with its tasks."""
    chosen = tuple(map(tasks(Path(recipe.data.root)).named, recipe.tasks))
    return {task.name: (task,) for task in chosen} if recipe.method == "sft" else {recipe.method: chosen}


def _changed(
    recipe: Recipe, kind: str, group: tuple[Task, ...], then: Mapping[str, Any], *, rows_only: bool = False
) -> list[str]:
    """See `changes`; also the tasks that a data folder brings, whose files somebody may have edited."""
    found = changes(recipe, kind, group, then, rows_only=rows_only)
    if rows_only or not any(name in then for name in DATA):
        return found
    now = tasks(Path(recipe.data.root))
    return [
        f"what defines the task {task.name}, {task.place}"
        for task in group
        if task.name not in now or _MEANING(now[task.name]) != _MEANING(task)
    ] + found


def _own(recipe: Recipe, job: str) -> Recipe:
    """The recipe as a job runs it: without the other tasks' rows, so that these are no part of its stages' keys."""
    if recipe.train is None or not recipe.train.per_task:
        return recipe
    return recipe.model_copy(update={"train": recipe.train_for(job)})


def _job(
    recipe: Recipe, name: str, group: tuple[Task, ...], folder: Path, merge: bool, seen: dict[str, str | None]
) -> Job:
    inputs = Inputs(recipe, seen)
    stages: list[Stage] = []

    def add(kind: Kind, *needs: Stage | None) -> Stage:
        needed = tuple(stage for stage in needs if stage is not None)
        everything = {**inputs.of(kind, group), "needs": {stage.kind: stage.key for stage in needed}}
        key = key_of(everything)
        changed = partial(_changed, recipe, kind, group, everything)
        stage = Stage(kind, name, folder / f"{kind}-{key}", key, everything, needed, changed)
        stages.append(stage)
        return stage

    init = add("init") if recipe.model.init else None
    train = select = None
    if recipe.train is not None:
        convert = add("convert")
        train = add("train", convert, init)
        select = add("select", train, init)
        if merge and recipe.train.finetuning == "lora":
            add("merge", select, train, init)
    infer = add("infer", select, init, train)
    add("score", infer, select, train)
    return Job(name, group, tuple(stages), recipe)
