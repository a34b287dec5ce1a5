"""How far the probabilities can be trusted that answers come with (`inference.answers: labels`).

A label's probability is the softmax of what labels were compared by: log-probabilities of whole answers, normalised
over the task's list. Pure Python, as ``metrics.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = ("log_loss", "brier", "ece", "aurc")
BINS = 15  # of the calibration error, as in Guo et al. 2017
DIGITS = 12  # by which confidences are equal: which bin and which place in the curve must not hang on rounding
LEAST = 2.0**-52  # of a probability whose logarithm is taken, as in scikit-learn's log_loss


@dataclass(frozen=True)
class Confidence:
    """Scores of a task's probabilities, unrounded.

    Attributes:
        log_loss: mean of ``-ln p(true label)``, in nats.
        brier: mean over samples of the squared differences to the truth, summed over labels: 0 to 2 (G. W. Brier,
            Monthly Weather Review 78 (1950) 1-3).
        ece: expected calibration error, 0 to 1: how far the confidence (the answer's probability) is from the accuracy,
            weighted over 15 bins of equal width (C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017).
        aurc: area under the risk-coverage curve, 0 to 1: the share of wrong answers among the most confident ones,
            averaged over how many these are (Y. Geifman, G. Uziel, R. El-Yaniv, ICLR 2019); equally confident answers
            count as in a random order.
    """

    log_loss: float
    brier: float
    ece: float
    aurc: float

    def as_row(self) -> dict[str, float]:
        """The columns of a results row: ``ece`` and ``aurc`` in percent."""
        return {
            "log_loss": round(self.log_loss, 4),
            "brier": round(self.brier, 4),
            "ece": round(100 * self.ece, 2),
            "aurc": round(100 * self.aurc, 2),
        }


def scores_of(value: Any, labels: Sequence[str]) -> dict[str, float] | None:
    """What labels were compared by, from a file; ``None`` where it is not a finite number for each label of a task."""
    if not isinstance(value, Mapping) or set(value) != set(labels):
        return None
    numbers = [value[label] for label in labels]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        return None
    return dict(zip(labels, map(float, numbers), strict=True))


def most_probable(scores: Mapping[str, float]) -> str:
    """The label that is the answer: of equal ones the first."""
    return max(scores, key=scores.__getitem__)


def log_shares(scores: Mapping[str, float]) -> dict[str, float]:
    """The logarithm of each label's probability among all of them."""
    most = max(scores.values())  # taken off first: the digits of large values would be lost
    total = math.log(math.fsum(math.exp(value - most) for value in scores.values()))
    return {label: value - most - total for label, value in scores.items()}


def confidence(truth: Sequence[str], scores: Sequence[Mapping[str, float]]) -> Confidence:
    """The scores of some samples' probabilities.

    Args:
        truth: the true labels; one that the task's list lacks counts as one of probability 0.
        scores: of each sample what its labels were compared by; of equal ones the first is the answer.

    Raises:
        ValueError: there is nothing to score, or the lengths differ.
    """
    if not truth or len(truth) != len(scores):
        raise ValueError(f"{len(truth)} true labels and {len(scores)} answers: need as many of both, and at least one")
    losses, squares, sure = [], [], []
    for label, one in zip(truth, scores, strict=True):
        logs = log_shares(one)
        shares = {name: math.exp(value) for name, value in logs.items()}
        losses.append(-logs[label] if label in logs else -math.log(LEAST))
        squares.append(
            math.fsum((share - (name == label)) ** 2 for name, share in shares.items()) + (label not in shares)
        )
        said = most_probable(one)
        sure.append((round(shares[said], DIGITS), said == label))
    n = len(truth)
    return Confidence(math.fsum(losses) / n, math.fsum(squares) / n, calibration_error(sure), risk_coverage(sure))


def calibration_error(sure: Sequence[tuple[float, bool]], bins: int = BINS) -> float:
    """The expected calibration error of (confidence, whether right), in bins that include their upper end."""
    gaps = [0.0] * bins
    for share, right in sure:
        gaps[min(max(math.ceil(share * bins) - 1, 0), bins - 1)] += share - right
    return math.fsum(map(abs, gaps)) / len(sure)


def risk_coverage(sure: Sequence[tuple[float, bool]]) -> float:
    """The area under the risk-coverage curve of (confidence, whether right)."""
    levels: dict[float, list[bool]] = {}
    for share, right in sure:
        levels.setdefault(share, []).append(right)
    wrong, count, risks = 0.0, 0, []
    for _, those in sorted(levels.items(), reverse=True):
        missed = len(those) - sum(those)
        for at in range(1, len(those) + 1):
            risks.append((wrong + missed * at / len(those)) / (count + at))
        wrong, count = wrong + missed, count + len(those)
    return math.fsum(risks) / len(sure)


def overall(parts: Sequence[Confidence | None], sizes: Sequence[float]) -> Confidence | None:
    """Over several tasks: means weighted by their published sizes, as all scores; ``None`` where one lacks it."""
    known = [part for part in parts if part is not None]
    if not known or len(known) != len(sizes):
        return None
    total = math.fsum(sizes)

    def mean(name: str) -> float:
        return math.fsum(getattr(part, name) * size for part, size in zip(known, sizes, strict=True)) / total

    return Confidence(*map(mean, COLUMNS))
