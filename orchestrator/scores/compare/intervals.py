"""How much runs differ: 95 % intervals of scores and of differences, per task and overall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.scores.compare.counts import Values
from orchestrator.scores.compare.grouping import Groups, Stratum, ends, grouped, seed_weights
from orchestrator.scores.compare.paired import Paired
from orchestrator.scores.compare.resampling import Drawn, resample

FEW = 40  # below so many dialogues (or independent samples) intervals tend to be too narrow


@dataclass(frozen=True)
class Intervals:
    """Scores as fractions (0 to 1), differences from the baseline (-1 to 1), each with its 95 % interval.

    All arrays are (tasks + 1, groups, metrics), the metrics in the order of `METRICS`; the last task is `overall`: the
    mean weighted by `Paired.weight` over the tasks that all runs did (``common``; weight 0: left out). NaN: a run did
    not do the task, or there is no interval, as the task has only one dialogue.

    Where a run said `unknown` or `multi` once or twice, some draws lack that class, and macro F1 jumps with it (of two
    labels to one and a half of it): the run's own interval is then skewed upwards; that of a difference much less.

    Attributes:
        value, low, high: each group's own score (of several runs: their mean).
        difference, difference_low, difference_high: the group's score minus the baseline's; 0 for the baseline itself.
        deviation: the standard deviation over the group's runs (n - 1); NaN for a group of one.
        units: of each task, how many dialogues or independent samples there are.
        few: of each task, and of overall (all of its tasks together), whether they are fewer than `FEW`.
        common: positions of the tasks that count in overall.
    """

    value: Values
    low: Values
    high: Values
    difference: Values
    difference_low: Values
    difference_high: Values
    deviation: Values
    units: tuple[int, ...]
    few: tuple[bool, ...]
    common: tuple[int, ...]


def intervals(tasks: Sequence[Paired], baseline: int, draws: int, seed: int) -> Intervals:
    """Every run against a baseline; each run is a group of its own (see `seed_intervals`)."""
    return seed_intervals(tasks, [[run] for run in range(len(tasks[0].answers))], baseline, draws, seed)


def seed_intervals(tasks: Sequence[Paired], groups: Groups, baseline: int, draws: int, seed: int) -> Intervals:
    """Groups of runs that differ only in their seed against a baseline group: paired percentile bootstrap.

    Dialogues (or samples) are drawn again, the same ones for all runs, each task's by themselves; seeds, too, where a
    group has enough of them (N. Reimers, I. Gurevych, EMNLP 2017).

    Args:
        tasks: all with the same runs in the same order (a run that did not do a task: see `Paired.answers`).
        groups: the runs of each group; with `SEEDS` or more, they are drawn again, too; with fewer they count as given.
        baseline: which group the others are compared with.
        draws: how many bootstrap samples, for example 2,000.
        seed: of the draws, 0 or more.
    """
    weights = seed_weights(groups, draws, seed)
    drawn = [resample(task, draws, seed) for task in tasks]
    members = sorted({run for group in groups for run in group})
    common = [at for at, task in enumerate(tasks) if task.weight > 0 and all(map(task.did, members))]
    total = math.fsum(tasks[at].weight for at in common)
    shares = {at: tasks[at].weight / total for at in common}
    alone = [Stratum(1.0, task.units, grouped(of, groups, weights)) for task, of in zip(tasks, drawn, strict=True)]
    together = [alone[at]._replace(share=share) for at, share in shares.items()]
    rows = [(stratum.scores, [stratum]) for stratum in alone]
    rows.append((grouped(_weighted(drawn, shares), groups, weights), together))
    own = [ends(scores, strata, groups) for scores, strata in rows]
    gaps = [ends(scores, strata, groups, baseline) for scores, strata in rows]
    value = np.stack([scores.value for scores, _ in rows])
    return Intervals(
        value=value,
        low=np.stack([low for low, _ in own]),
        high=np.stack([high for _, high in own]),
        difference=value - value[:, [baseline]],
        difference_low=np.stack([low for low, _ in gaps]),
        difference_high=np.stack([high for _, high in gaps]),
        deviation=np.stack([scores.deviation for scores, _ in rows]),
        units=tuple(task.units for task in tasks),
        few=tuple(sum(stratum.units for stratum in strata) < FEW for _, strata in rows),
        common=tuple(common),
    )


def _weighted(drawn: Sequence[Drawn], shares: dict[int, float]) -> Drawn:
    """The runs' overall scores; NaN where there is no common task."""
    if not shares:
        return Drawn(np.full_like(drawn[0].values, np.nan), np.full_like(drawn[0].draws, np.nan))
    values, draws = np.zeros_like(drawn[0].values), np.zeros_like(drawn[0].draws)
    for at, share in shares.items():
        values += share * drawn[at].values
        draws += share * drawn[at].draws
    return Drawn(values, draws)


def unpaired(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float]:
    """The interval of a difference ``a - b`` where only scores with intervals are known, no answers.

    R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10, when the intervals are Wilson's, as those in
    the results CSV are. Wider than the paired interval, as it does not know that both runs answered the same samples.

    Args:
        a: value, lower and upper end (all in percent, or all as fractions).
        b: the same of the other run.

    Returns:
        Lower and upper end, in the same unit.
    """
    (at_a, low_a, high_a), (at_b, low_b, high_b) = a, b
    gap = at_a - at_b
    return gap - math.hypot(at_a - low_a, high_b - at_b), gap + math.hypot(high_a - at_a, at_b - low_b)
