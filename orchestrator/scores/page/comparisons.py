"""Runs against a baseline, as the page draws them: differences with their intervals, and what was left out and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.benchmark.task import Task
from orchestrator.errors import InputError, did_you_mean, listed
from orchestrator.scores.compare.agreement import unlike
from orchestrator.scores.compare.comparison import Comparison, compare
from orchestrator.scores.compare.entry import Entry, Options
from orchestrator.scores.compare.remarks import remarks
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.results import OVERALL

STEP = 5.0  # the axis ends at a multiple of so many points


Row = tuple[str, Entry, Entry | None]


@dataclass(frozen=True)
class Axis:
    """An axis of differences: where it ends on either side, in percentage points."""

    limit: float

    def at(self, value: float) -> float:
        """Where a difference lies, in percent of the width."""
        return round(50 + 50 * value / self.limit, 2)


def axis(rows: Iterable[Row]) -> Axis:
    """The axis on which all differences in accuracy find room, with their intervals."""
    ends = [
        abs(end)
        for _, acc, _ in rows
        for end in (acc.difference, acc.difference_low, acc.difference_high)
        if end is not None
    ]
    return Axis(max(STEP, STEP * math.ceil(max(ends, default=0.0) / STEP)))


@dataclass(frozen=True)
class Against:
    """A run against the baseline.

    Attributes:
        run: its name.
        rows: the task's name, accuracy and macro F1; the overall row last.
        axis: of differences in accuracy.
    """

    run: str
    rows: tuple[Row, ...]
    axis: Axis

    @property
    def total(self) -> Row:
        """The overall row; of a single task, that one."""
        return self.rows[-1]


@dataclass(frozen=True)
class Forest:
    """All runs against one of them.

    Attributes:
        baseline: its name.
        axis: of the overall differences.
        runs: the others, from the highest difference down.
        remarks: what must be known to read it.
        left_out: why other runs are not in it.
    """

    baseline: str
    axis: Axis
    runs: tuple[Against, ...]
    remarks: tuple[str, ...]
    left_out: tuple[str, ...]


def forest(runs: Sequence[Run], known: Mapping[str, Task], options: Options) -> Forest | None:
    """The comparison of runs, as far as they may be compared; ``None``: there are no two such.

    Args:
        runs: of one benchmark.
        known: its tasks by name.
        options: see `compare`; the baseline is the one named, or else the first run that has most tasks.
    """
    if not runs:
        return None
    most = max(runs, key=lambda run: len(run.rows))
    baseline = next((run for run in runs if options.baseline in (run.name, str(run.path))), most)
    chosen, left_out = [baseline], []
    for run in runs:
        if run is baseline:
            continue
        lacking = [task for task in baseline.rows if task not in run.rows]
        reasons = unlike(baseline, run)
        if lacking:
            left_out.append(f"{run.name} is not compared: it has no results of {listed(lacking, 3)}.")
        elif reasons:
            left_out.append(f"{run.name} is not compared: {reasons[0].problem.message}.")
        else:
            chosen.append(replace(run, rows={task: run.rows[task] for task in baseline.rows}))
    if len(chosen) < 2:
        return None
    found = compare(chosen, known, replace(options, baseline=baseline.name))
    against = [_against(found, column.name) for column in found.columns[1:]]
    against.sort(key=lambda one: -(one.total[1].difference or 0.0))
    # the page has no option that puts seeds together
    said = remarks(replace(found, alike=False))
    return Forest(baseline.name, axis(one.total for one in against), tuple(against), tuple(said), tuple(left_out))


def check_baseline(baseline: str, runs: Sequence[Run]) -> None:
    """See that there is a run of that name.

    Raises:
        InputError: there is none.
    """
    names = [run.name for run in runs]
    if baseline and baseline not in (*names, *(str(run.path) for run in runs)):
        hint = did_you_mean(baseline, names) or f"the runs are {listed(names, 10)}"
        raise InputError(f"no run `{baseline}` to be the baseline", hint=hint)


def _against(found: Comparison, run: str) -> Against:
    rows: list[Row] = []
    for task in found.rows:
        acc = found.entry(task, run, "acc")
        if acc is not None:
            rows.append((task, acc, found.entry(task, run, "f1")))
    rows.sort(key=lambda row: row[0] == OVERALL)
    return Against(run, tuple(rows), axis(rows))
