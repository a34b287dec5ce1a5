"""Bootstrap samples of one task: whole dialogues drawn again, the same ones for all runs.

C. A. Field, A. H. Welsh, JRSS B 69 (2007) 369-390; E. Miller, arXiv 2411.00640. Drawing dialogues with replacement is
counting how often each came up, and a resample's counts by class are those numbers times each dialogue's own: a matrix
product, in place of going through the samples again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from orchestrator.scores.compare.counts import Values, macro_f1
from orchestrator.scores.compare.paired import METRICS, Codes, Paired

_ELEMENTS = 4_000_000  # of an array at a time: some 30 MB

# counts are whole numbers below 2^24, which single precision holds exactly
_Counts = NDArray[np.float32]


class Drawn(NamedTuple):
    """One task's scores as fractions, the metrics in the order of `METRICS`; NaN: the run did not do the task.

    Attributes:
        values: (runs, metrics) of the samples as they are.
        draws: (draws, runs, metrics) of the bootstrap samples.
    """

    values: Values
    draws: Values


def resample(task: Paired, draws: int, seed: int) -> Drawn:
    """Every run's scores, and those of so many bootstrap samples of the task's dialogues (or samples).

    A run's draws do not depend on the runs beside it, nor a task's on other tasks.
    """
    units = _units(task)
    count = int(units.max()) + 1
    values = np.full((len(task.answers), len(METRICS)), np.nan)
    drawn = np.full((draws, len(task.answers), len(METRICS)), np.nan)
    runs = [run for run in range(len(task.answers)) if task.did(run)]
    at_once = max(1, _ELEMENTS // (count * task.classes))
    for start in range(0, len(runs), at_once):
        some = runs[start : start + at_once]
        counts = _Table(task, some, units, count)
        values[some] = counts.scores(np.ones((1, count), dtype=np.float32))[0]
        rng = np.random.default_rng([seed, *task.name.encode()])
        step = max(1, _ELEMENTS // max(count, len(some) * task.classes))
        for first in range(0, draws, step):
            weights = _times_drawn(rng, min(step, draws - first), count)
            drawn[first : first + len(weights), some] = counts.scores(weights)
    return Drawn(values, drawn)


def _units(task: Paired) -> Codes:
    if task.clusters is None:
        return np.arange(len(task.truth), dtype=np.int64)
    units: Codes = np.unique(task.clusters, return_inverse=True)[1]
    return units


def _times_drawn(rng: np.random.Generator, draws: int, units: int) -> _Counts:
    """(draws, units): how often each unit came up among as many drawn with replacement."""
    drawn = rng.integers(0, units, (draws, units)) + units * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * units).reshape(draws, units).astype(np.float32)


class _Table:
    """The counts by class of each unit: (units, classes) for the truth, (units, runs * classes) for some runs."""

    def __init__(self, task: Paired, runs: list[int], units: Codes, count: int):
        self.shape = (len(runs), task.classes)
        self.true = np.zeros((count, task.classes), dtype=np.float32)
        np.add.at(self.true, (units, task.truth), 1)
        hits = np.zeros((count, *self.shape), dtype=np.float32)
        said = np.zeros((count, *self.shape), dtype=np.float32)
        for at, run in enumerate(runs):
            answers = task.answers[run]
            np.add.at(said[:, at], (units, answers), 1)
            np.add.at(hits[:, at], (units, answers), answers == task.truth)
        self.hits, self.said = hits.reshape(count, -1), said.reshape(count, -1)

    def scores(self, weights: _Counts) -> Values:
        """(draws, runs, metrics) of (draws, units) weights: how often each unit counts."""
        true = (weights @ self.true).astype(np.float64)
        hits = (weights @ self.hits).reshape(-1, *self.shape).astype(np.float64)
        said = (weights @ self.said).reshape(-1, *self.shape).astype(np.float64)
        acc = hits.sum(axis=-1) / true.sum(axis=-1)[:, None]
        return np.stack([acc, macro_f1(true[:, None], hits, said)], axis=-1)
