"""Scores from counts: what a resample of dialogues or samples changes are counts by class, and those add up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def macro_f1(true: Values, hits: Values, predicted: Values) -> Values:
    """Macro F1 over the classes that are true or predicted, as in `scores.metrics.classification`.

    Args:
        true: (..., classes) how many samples are of a class.
        hits: (..., classes) how many of these were said to be.
        predicted: (..., classes) how many samples were said to be of a class.

    Returns:
        (...) fractions, 0 to 1; NaN where all counts are 0.
    """
    total = true + predicted
    ratio = np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)
    seen = np.count_nonzero(total, axis=-1)
    with np.errstate(invalid="ignore"):
        f1: Values = ratio.sum(axis=-1) / seen
    return f1
