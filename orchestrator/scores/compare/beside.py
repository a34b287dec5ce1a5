"""Published accuracies beside one's own: of the same model and method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.benchmark.published import Published, published_acc
from orchestrator.benchmark.task import Task
from orchestrator.scores.compare.comparison import Comparison
from orchestrator.scores.compare.entry import Entry
from orchestrator.scores.compare.intervals import unpaired
from orchestrator.scores.metrics import wilson
from orchestrator.scores.results import OVERALL

BENCHMARK = "mmla"  # whose results are published


class Beside(NamedTuple):
    """A published accuracy beside a run's, in percent and percentage points.

    Attributes:
        task: the task, or ``overall``.
        column: the run, or the runs that were put together.
        model: as published.
        method: likewise.
        n: the run's number of samples.
        size: the published number of them.
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
    n: int
    size: int
    value: float
    published: float
    difference: float
    low: float | None
    high: float | None
    source: str


def beside(comparison: Comparison, known: Mapping[str, Task]) -> list[Beside]:
    """What is published for the columns' models and methods, of test splits.

    The overall score only where the runs have all tasks that it was published for.
    """
    found: list[Beside] = []
    sizes = {name: task.sizes["test"] for name, task in known.items() if task.benchmark == BENCHMARK}
    whole = set(comparison.common) == set(sizes)
    for column in comparison.columns:
        row = next(iter(column.runs[0].rows.values()))
        for task in comparison.rows:
            entry = comparison.entry(task, column.name, "acc")
            told = published_acc(str(row["model"]), str(row["method"]), task)
            size = sizes.get(task, sum(sizes.values()) if whole else 0)
            if entry is not None and told is not None and size and row["split"] == "test":
                found.append(_beside(entry, told, size))
    return found


def _beside(entry: Entry, told: Published, size: int) -> Beside:
    low = high = None
    if entry.low is not None and entry.high is not None and entry.seeds == 1 and entry.task != OVERALL:
        ends = [100 * end for end in wilson(told.acc / 100, size)]
        low, high = unpaired((entry.value, entry.low, entry.high), (told.acc, ends[0], ends[1]))
    return Beside(
        task=entry.task,
        column=entry.column,
        model=told.model,
        method=told.method,
        n=entry.n,
        size=size,
        value=entry.value,
        published=told.acc,
        difference=entry.value - told.acc,
        low=low,
        high=high,
        source=told.source,
    )
