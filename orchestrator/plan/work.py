"""How much work a stage is: rows, optimizer steps, checkpoints, evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.benchmark.task import Task
from orchestrator.data.count import count_rows
from orchestrator.data.roots import find_split, has_data
from orchestrator.plan.outputs import ConvertOutputs
from orchestrator.plan.plan import Job, Stage
from orchestrator.plan.record import read
from orchestrator.recipe.given import usual
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Select
from orchestrator.recipe.train import Train

# a pass forward is a third of a step: 2 of the 6 operations a parameter and token (Kaplan et al. 2020, section 2.1)
EVALUATION = 1 / 3

Counted = dict[Any, int | None]  # rows by task, split and where the data lies


class Training(NamedTuple):
    """What of a training decides how many steps it has. ``evaluates``: at each checkpoint, on dev."""

    epochs: float
    batch_size: int
    max_steps: int | None
    save_steps: int | None
    evaluates: bool

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> Training:
        """Read from what a training's key is of, where settings at their default are left out."""
        train, select = inputs.get("train") or {}, inputs.get("select") or {}
        names = ("epochs", "batch_size", "max_steps", "save_steps")
        values: dict[str, Any] = {name: train.get(name, usual(Train, name)) for name in names}
        return cls(**values, evaluates=select.get("strategy", usual(Select, "strategy")) == "best_eval")

    def steps(self, rows: int) -> int:
        """Optimizer steps over so many training rows: those of an epoch, rounded up, times the epochs."""
        return self.max_steps or math.ceil(self.epochs * math.ceil(rows / self.batch_size))

    def saves(self, steps: int) -> int:
        """How often a training of so many steps writes a checkpoint; the last step is always one."""
        return math.ceil(steps / self.save_steps) if self.save_steps else max(1, math.ceil(self.epochs))


def worth(training: Training, steps: float, dev_rows: int) -> float:
    """How many optimizer steps a training takes as long as, its evaluations included."""
    evaluations = training.saves(math.ceil(steps)) if training.evaluates and steps else 0
    return steps + evaluations * dev_rows * EVALUATION / training.batch_size


def rows_of(recipe: Recipe, task: Task, split: str, counted: Counted) -> int | None:
    """How many rows of a split are used: by its file or, where the task has no data here, as published.

    Bad videos and utterances that other tasks hold out are counted, though a recipe may leave them out. ``None``: not
    known.
    """
    root, columns = Path(recipe.data.root), recipe.data.columns
    listed = isinstance(columns, list | tuple)
    key = (task.name, task.folders, split, str(root), listed)
    if key not in counted:
        counted[key] = _rows(task, split, root, columns)
    rows = counted[key]
    return rows if rows is None or recipe.data.limit is None else min(rows, recipe.data.limit)


def _rows(task: Task, split: str, root: Path, columns: Any) -> int | None:
    try:
        if found := find_split(task, split, root):
            return count_rows(found[0], columns)
        return 0 if split == "dev" and has_data(task, root) else task.sizes.get(split)  # a task need have no dev
    except OSError:
        return task.sizes.get(split)


def rows_in(job: Job, split: str, counted: Counted) -> int | None:
    """How many rows of a split all tasks of a job have; ``None``: not known."""
    rows = [rows_of(job.recipe, task, split, counted) for task in job.tasks]
    known = [count for count in rows if count is not None]
    return sum(known) if len(known) == len(rows) else None


def training_rows(job: Job, convert: Stage, split: str, counted: Counted) -> int | None:
    """As `rows_in`; where the data is converted already, how many rows were written."""
    record = read(convert.folder)
    outputs = record.outputs if record and record.state == "done" else None
    return outputs.rows.get(split, 0) if isinstance(outputs, ConvertOutputs) else rows_in(job, split, counted)
