"""Published accuracies beside one's own: of the same model and method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.benchmark.published import published_acc
from orchestrator.benchmark.task import Task
from orchestrator.scores.compare.comparison import Comparison
from orchestrator.scores.compare.intervals import unpaired
from orchestrator.scores.metrics import wilson
from orchestrator.scores.results import OVERALL


class Beside(NamedTuple):
    """A published accuracy beside a run's, in percent and percentage points.

    Attributes:
        task: the task, or ``overall``.
        column: the run, or the runs that were put together.
        model: as published.
        method: likewise.
        value: the run's accuracy.
        published: the published one.
        difference: the run's minus the published one.
        low, high: its unpaired 95 % interval, as if the published one were of one run on the published number of
            samples; ``None`` for overall, and for several runs.
        source: where it was published.
    """

    task: str
    column: str
    model: str
    method: str
    value: float
    published: float
    difference: float
    low: float | None
    high: float | None
    source: str


def beside(comparison: Comparison, known: Mapping[str, Task]) -> list[Beside]:
    """What is published for the columns' models and methods.

    The overall score only where the runs have all tasks that it was published for.
    """
    found = []
    benchmark = {name for name, task in known.items() if task.benchmark == "mmla"}
    for column in comparison.columns:
        row = next(iter(column.runs[0].rows.values()))
        for task in comparison.rows:
            entry = comparison.entry(task, column.name, "acc")
            told = published_acc(str(row["model"]), str(row["method"]), task)
            whole = task != OVERALL or set(comparison.common) == benchmark
            if entry is None or told is None or not whole:
                continue
            low = high = None
            size = known[task].sizes.get("test") if task in known else None
            if size and entry.low is not None and entry.high is not None and entry.seeds == 1:
                ends = [100 * end for end in wilson(told.acc / 100, size)]
                low, high = unpaired((entry.value, entry.low, entry.high), (told.acc, ends[0], ends[1]))
            found.append(
                Beside(
                    task=task,
                    column=column.name,
                    model=told.model,
                    method=told.method,
                    value=entry.value,
                    published=told.acc,
                    difference=entry.value - told.acc,
                    low=None if low is None or math.isnan(low) else low,
                    high=None if high is None or math.isnan(high) else high,
                    source=told.source,
                )
            )
    return found
