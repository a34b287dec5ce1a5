"""What the page's tables and charts are made of: one entry for each run, and for each published model and method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from orchestrator.benchmark.model import models
from orchestrator.benchmark.published import published
from orchestrator.benchmark.task import OWN, Task
from orchestrator.errors import visible
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.results import OVERALL, ResultsRow

METHODS = {"zero_shot": "zero-shot", "sft": "SFT", "it": "IT"}  # as the leaderboard spells them
RUN, PUBLISHED = "run", "published"
MMLA = "mmla"  # the benchmark for which values are published
BASELINES = ("sota", "human")  # methods of published values that are no model's


@dataclass(frozen=True)
class Entry:
    """The accuracies of a run, or those published for a model and a method.

    Attributes:
        key: names it in the page.
        name: of the run; of what is published, the model and the method.
        model, method, type: as in the results CSV; ``type`` may be empty.
        origin: `RUN` or `PUBLISHED`.
        acc: accuracy in percent by task.
        overall: over its tasks, weighted as the leaderboard weights them; ``None``: there is no task, and no value.
        interval: the ends of the 95 % interval of ``overall``; ``None``: not known.
        partial: why its values cannot be ranked among the published ones; empty where they can.
        rows: the rows of the results CSV by task; none of what is published.
    """

    key: str
    name: str
    model: str
    method: str
    type: str
    origin: str
    acc: Mapping[str, float]
    overall: float | None
    interval: tuple[float, float] | None
    partial: str
    rows: Mapping[str, ResultsRow]

    @property
    def way(self) -> str:
        """The method as the leaderboard spells it."""
        return METHODS.get(self.method, self.method)


def weighted(acc: Mapping[str, float], sizes: Mapping[str, float]) -> float | None:
    """The mean over tasks weighted by the published sizes, in percent: the leaderboard's ACC; ``None`` of no task."""
    tasks = [task for task in acc if sizes.get(task)]
    total = math.fsum(sizes[task] for task in tasks)
    return math.fsum(acc[task] * sizes[task] for task in tasks) / total if tasks else None


def run_entry(run: Run, place: int, tasks: Mapping[str, Task]) -> Entry:
    """The entry of a run.

    Args:
        run: the run; its tasks are of one benchmark.
        place: its position among the runs.
        tasks: all tasks of the benchmark, by name; of tasks of one's own those of all runs.
    """
    first = next(iter(run.rows.values()))
    acc = {task: row["acc"] for task, row in run.rows.items() if row["acc"] is not None}
    total = run.overall if run.overall is not None else first if len(run.rows) == 1 else {}
    value = total.get("acc")
    if value is None:
        value = weighted(acc, {name: _size(tasks[name], run.rows[name]) for name in acc if name in tasks})
    low, high = total.get("acc_ci_low"), total.get("acc_ci_high")
    return Entry(
        f"run-{place}", run.name, str(first["model"] or run.name), str(first["method"] or ""),
        str(first["model_type"] or ""), RUN, acc, value, (low, high) if low is not None and high is not None else None,
        _partial(run, tasks), run.rows,
    )  # fmt: skip


def _size(task: Task, row: ResultsRow) -> float:
    """The weight of a task in a run's overall score: the published size of its split, or else what was answered."""
    return float(task.sizes.get(str(row["split"])) or row["n"] or 0)


def _partial(run: Run, tasks: Mapping[str, Task]) -> str:
    """Why a run's overall score is not that of the whole benchmark; empty where it is."""
    splits = sorted({str(row["split"]) for row in run.rows.values()})
    if splits != ["test"]:
        return f"{visible(' and '.join(splits))} split"
    # of the tasks of one's own there is no list that a run could be complete in
    tasks = {name: task for name, task in tasks.items() if task.benchmark != OWN}
    done = [name for name in tasks if name in run.rows]
    if len(done) < len(tasks):
        return f"{len(done)} of {len(tasks)} tasks"
    answered = sum(run.rows[name]["n"] or 0 for name in done)
    size = sum(tasks[name].sizes.get("test", 0) for name in done)
    # data sets lack a few rows here and there: what counts is whether whole tests were answered
    return f"{answered:,} of {size:,} samples" if answered < 0.99 * size else ""


@cache
def published_entries() -> tuple[Entry, ...]:
    """What is published of models, in the file's order."""
    types = {spec.name: spec.type for spec in models().values()}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for value in published():
        if value.method not in BASELINES:
            found.setdefault((value.model, value.method), {})[value.task] = value.acc
    return tuple(
        Entry(
            f"published-{place}", f"{model} {METHODS.get(method, method)}", model, method, types.get(model, ""),
            PUBLISHED, {task: acc for task, acc in values.items() if task != OVERALL}, values.get(OVERALL), None, "",
            {},
        )
        for place, ((model, method), values) in enumerate(found.items())
    )  # fmt: skip


def baselines(task: str) -> list[tuple[str, str, float]]:
    """What is published for a task besides models: kind (``sota``, ``human``), name and accuracy in percent."""
    return [
        (value.method, value.model, value.acc)
        for value in published()
        if value.method in BASELINES and value.task == task
    ]


def beside(entry: Entry, others: Sequence[Entry]) -> Entry | None:
    """What is published for the model and the method of an entry."""
    same = (other for other in others if other.origin == PUBLISHED)
    return next((other for other in same if (other.model, other.method) == (entry.model, entry.method)), None)
