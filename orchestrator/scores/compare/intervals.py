"""How much runs differ: 95 % intervals of scores and of differences, per task and overall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.scores.compare.paired import Paired

Values = NDArray[np.float64]

FEW = 40  # below so many dialogues (or independent samples) intervals tend to be too narrow
SEEDS = 5  # from so many runs on that differ only in the seed, an interval counts seeds as drawn, too


@dataclass(frozen=True)
class Intervals:
    """Scores as fractions (0 to 1), differences from the baseline (-1 to 1), each with its 95 % interval.

    All arrays are (tasks + 1, groups, metrics), the metrics in the order of `METRICS`; the last task is `overall`: the
    mean weighted by `Paired.weight` over the tasks that all runs did (``common``). NaN: a run did not do the task, or
    there is no interval, as the task has only one dialogue.

    Attributes:
        value, low, high: each group's own score (of several runs: their mean).
        difference, difference_low, difference_high: the group's score minus the baseline's; 0 for the baseline itself.
        deviation: the standard deviation over the group's runs (n - 1); NaN for a group of one.
        units: of each task, how many dialogues or independent samples there are.
        few: of each task, and of overall (any of the common tasks), whether they are fewer than `FEW`.
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


def seed_intervals(
    tasks: Sequence[Paired], groups: Sequence[Sequence[int]], baseline: int, draws: int, seed: int
) -> Intervals:
    """Groups of runs that differ only in their seed against a baseline group: paired percentile bootstrap.

    Args:
        tasks: all with the same runs in the same order (a run that did not do a task: see `Paired.answers`).
        groups: the runs of each group; with `SEEDS` or more, they are drawn again, too; with fewer they count as given.
        baseline: which group the others are compared with.
        draws: how many bootstrap samples, for example 2,000.
        seed: of the draws.
    """
    raise NotImplementedError


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
    raise NotImplementedError
