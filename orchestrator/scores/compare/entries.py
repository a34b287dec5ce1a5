"""The numbers of a comparison: scores, differences with their intervals, tests."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from orchestrator.scores import metrics
from orchestrator.scores.compare.columns import Column
from orchestrator.scores.compare.entry import Entry, Options
from orchestrator.scores.compare.intervals import Intervals, seed_intervals, unpaired
from orchestrator.scores.compare.paired import METRICS, Paired
from orchestrator.scores.compare.pairing import Pairing
from orchestrator.scores.compare.significance import accuracy_test, discordant, f1_test, holm, smallest_between
from orchestrator.scores.metrics import Scores
from orchestrator.scores.results import OVERALL, ResultsRow

Entries = dict[tuple[str, str, str], Entry]


def make_entries(
    columns: Sequence[Column], tasks: Sequence[str], common: Sequence[str], weights: Mapping[str, float],
    pairing: Pairing, options: Options,
) -> tuple[Entries, tuple[str, ...]]:  # fmt: skip
    """All entries of a comparison, and the tasks with few dialogues.

    Args:
        columns: the baseline first.
        tasks: of any of them.
        common: of all of them: those of the overall score.
        weights: of the tasks in it.
        pairing: the runs that can be compared sample by sample.
        options: draws and their seed.
    """
    entries: Entries = {}
    for task in tasks:
        for column in columns:
            rows = [run.rows[task] for run in column.runs if task in run.rows]
            if len(rows) == len(column.runs):
                _add(entries, task, column.name, [scores_of(row) for row in rows])
    if len(common) > 1:
        sizes = [weights[task] for task in common]
        for column in columns:
            parts = [[scores_of(run.rows[task]) for task in common] for run in column.runs]
            _add(entries, OVERALL, column.name, [metrics.overall(scores, sizes) for scores in parts])
    few = _pair(entries, columns, pairing, options)
    _unpaired(entries, columns)
    for task, metric in dict.fromkeys((task, metric) for task, _, metric in entries):
        shown = [entry for (one, _, kind), entry in entries.items() if (one, kind) == (task, metric)]
        values = [round(entry.value, 2) for entry in shown]
        for entry, value in zip(shown, values, strict=True):
            entry.best = value == max(values) > min(values)
    for metric in METRICS:
        family = [entry for (_, _, kind), entry in entries.items() if kind == metric]
        for entry, p in zip(family, holm([entry.p for entry in family]), strict=True):
            entry.p_holm = None if math.isnan(p) else p
    return entries, few


def scores_of(row: ResultsRow) -> Scores:
    """The scores in a results row; of accuracy more decimals than it has, as it is a share of n."""
    n = int(row["n"])
    shown = {name: float(row.get(name) or 0) for name in (*metrics.COLUMNS, "majority") if name != "n"}
    exact = {name: value / 100 for name, value in shown.items()}
    correct = round(exact["acc"] * n)
    return Scores(n=n, correct=correct, exact=exact | {"acc": correct / n}, **shown)


def _add(entries: Entries, task: str, column: str, scores: Sequence[Scores]) -> None:
    """The entries of one task and column: one run, or the mean of several."""
    for metric in METRICS:
        values = [100 * one.exact[metric] for one in scores]
        entry = Entry(task, column, metric, scores[0].n, statistics.fmean(values), seeds=len(values))
        if len(values) > 1:
            entry.deviation = statistics.stdev(values)
        elif metric == "acc":
            entry.low, entry.high = scores[0].acc_ci_low, scores[0].acc_ci_high
        entries[task, column, metric] = entry


def _pair(entries: Entries, columns: Sequence[Column], pairing: Pairing, options: Options) -> tuple[str, ...]:
    """What only answers tell: paired intervals, tests, flips; and the tasks with few dialogues."""
    places = [[pairing.place(run) for run in column.runs] for column in columns]
    chosen = [(column, [place for place in group if place is not None])
              for column, group in zip(columns, places, strict=True) if None not in group]  # fmt: skip
    if not chosen or chosen[0][0] is not columns[0]:
        return ()
    found = seed_intervals(pairing.tasks, [group for _, group in chosen], 0, options.draws, options.seed)
    names = [task.name for task in pairing.tasks]
    for group, (column, _) in enumerate(chosen):
        for at, task in enumerate([*names, OVERALL]):
            for kind, metric in enumerate(METRICS):
                if (entry := entries.get((task, column.name, metric))) is not None:
                    _intervals(entry, found, (at, group, kind), baseline=group == 0)
    for column, runs in chosen[1:]:
        if len(runs) == len(chosen[0][1]) == 1:
            for paired in pairing.tasks:
                if paired.did(runs[0]):
                    _test(entries, column.name, paired, runs[0], options)
    shown = {task for task, _, _ in entries}
    return tuple(name for name, few in zip([*names, OVERALL], found.few, strict=True) if few and name in shown)


def _intervals(entry: Entry, found: Intervals, at: tuple[int, int, int], *, baseline: bool) -> None:
    def number(values: object) -> float | None:
        value = 100 * float(values[at])  # type: ignore[index]
        return None if math.isnan(value) else value

    entry.value = number(found.value) or entry.value
    if entry.metric != "acc" or entry.seeds > 1:  # an interval of accuracy stands in the CSV already
        entry.low, entry.high = number(found.low), number(found.high)
    if not baseline:
        entry.difference, entry.paired = number(found.difference), True
        entry.difference_low, entry.difference_high = number(found.difference_low), number(found.difference_high)


def _test(entries: Entries, column: str, task: Paired, run: int, options: Options) -> None:
    accuracy, f1 = (entries[task.name, column, metric] for metric in METRICS)
    for entry, test in (
        (accuracy, accuracy_test(task, run, 0)),
        (f1, f1_test(task, run, 0, options.draws, options.seed)),
    ):
        entry.p, entry.p_exact, entry.test = test.p, test.exact, test.method
    accuracy.only_run, accuracy.only_baseline = discordant(task, run, 0)
    least = smallest_between(task, run, 0)
    accuracy.least = None if least is None else 100 * least / len(task.truth)


def _unpaired(entries: Entries, columns: Sequence[Column]) -> None:
    """Differences of what has no answers to be paired."""
    for (task, column, metric), entry in entries.items():
        base = entries.get((task, columns[0].name, metric))
        if column == columns[0].name or base is None or entry.difference is not None:
            continue
        entry.difference, entry.paired = entry.value - base.value, False
        ours, theirs = (entry.value, entry.low, entry.high), (base.value, base.low, base.high)
        if metric == "acc" and entry.seeds == base.seeds == 1 and None not in (*ours, *theirs):
            entry.difference_low, entry.difference_high = unpaired(ours, theirs)  # type: ignore[arg-type]
