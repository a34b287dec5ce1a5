"""95 % intervals of bootstrap draws: percentiles, set further out where few units were drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from orchestrator.scores.compare.counts import Values
from orchestrator.scores.metrics import Z95

# a part of the draws' variance, and the number of units whose drawing makes it (both broadcast against the scores)
Part = tuple[Values, Values]


def expanded(draws: Values, parts: Sequence[Part]) -> tuple[Values, Values]:
    """The ends of the 95 % percentile interval of draws, expanded for the number of units.

    Drawing k units makes the variance too small by (k - 1) / k, and has the normal distribution's quantiles where k - 1
    degrees of freedom ask for Student's: the percentiles are taken at the normal probability of the quantile that makes
    up for both (T. C. Hesterberg, The American Statistician 69 (2015) 371-386, section 5.3). Of several parts, the
    degrees of freedom are Satterthwaite's (Biometrics Bulletin 2 (1946) 110-114).

    Args:
        draws: (draws, ...) scores or differences of them.
        parts: what makes up the variance over the draws.

    Returns:
        Lower and upper ends, (...); NaN where the draws are.
    """
    scale, freedom = _scale_and_freedom(parts, draws.shape[1:])
    with np.errstate(invalid="ignore"):
        level = np.vectorize(_level, otypes=[np.float64])(scale, freedom)
    ordered = np.sort(draws, axis=0)
    return _at(ordered, level), _at(ordered, 1 - level)


def _scale_and_freedom(parts: Sequence[Part], shape: tuple[int, ...]) -> tuple[Values, Values]:
    """By how much the variance is too small, and its degrees of freedom."""
    total, larger, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for variance, units in parts:
        left = np.maximum(units - 1, 1)
        freed = variance * units / left
        total, larger, squares = total + variance, larger + freed, squares + freed**2 / left
    # no variance, no interval to expand
    scale = np.divide(larger, total, out=larger + 1.0, where=~(total <= 0))
    freedom = np.divide(larger**2, squares, out=squares + 1.0, where=~(squares <= 0))
    return scale, freedom


def _level(scale: float, freedom: float) -> float:
    return NormalDist().cdf(-math.sqrt(scale) * t95(freedom)) if scale > 0 else math.nan


def t95(freedom: float) -> float:
    """The 97.5 % point of Student's t: Cornish and Fisher's expansion, from 3 degrees of freedom on right to 0.2 %.

    M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


def _at(ordered: Values, level: Values) -> Values:
    """Percentiles of ordered draws, one level for each column; between two draws linear."""
    place = np.nan_to_num(level) * (len(ordered) - 1)
    below = np.floor(place).astype(np.int64)[None]
    above = np.minimum(below + 1, len(ordered) - 1)
    low, high = np.take_along_axis(ordered, below, axis=0)[0], np.take_along_axis(ordered, above, axis=0)[0]
    found: Values = low + (place - below[0]) * (high - low)
    return found
