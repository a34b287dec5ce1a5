"""From true labels and answers to scores: pure Python counts.

The six metrics are the benchmark's (thuiar/MMLA at 48efd63, ``eval.py``): accuracy; macro F1, precision and recall
over the union of the true and the predicted classes, where ``unknown`` and ``multi`` count as classes that are never
right (in a binary task with both, macro F1 is at most half); F1 and precision weighted by the true counts; an
undefined ratio is 0; percent, ``round(100 * x, 2)``. Beside them stands what the release lacks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.scores.answers import OUTCOMES, Answer

VERSION = "1"  # raised when a score's definition changes: stored scores are then computed anew
Z95 = 1.959963984540054  # the 97.5% point of the standard normal distribution

COLUMNS = ("n", "acc", "f1", "precision", "recall", "wf1", "wp", "f1_labels", "acc_ci_low", "acc_ci_high",
           *OUTCOMES)  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """The scores of one task, or of all (``overall``): percent (0 to 100) with two decimals, unless said otherwise.

    Attributes:
        n: the number of samples.
        correct: the number of right answers.
        acc: accuracy.
        f1, precision, recall: macro, over the union of true and predicted classes.
        wf1, wp: F1 and precision weighted by the true counts.
        f1_labels: macro F1 over the task's label list (a label that is neither true nor predicted counts 0), so that
            it does not fall because one answer was ``unknown``.
        acc_ci_low, acc_ci_high: 95% confidence interval of ``acc``.
        unknown, multi, empty, error, cut_off: share of answers with text but without a label, with several, blank, not
            given, still thinking; disjoint.
        majority: share of the most frequent true label, the accuracy of always saying it.
        exact: the same by name as unrounded fractions, 0 to 1, without ``n`` and ``correct``.
    """

    n: int
    correct: int
    acc: float
    f1: float
    precision: float
    recall: float
    wf1: float
    wp: float
    f1_labels: float
    acc_ci_low: float
    acc_ci_high: float
    unknown: float
    multi: float
    empty: float
    error: float
    cut_off: float
    majority: float
    exact: Mapping[str, float] = field(repr=False, compare=False)

    def as_row(self) -> dict[str, float]:
        """The scores that are columns of a results row, by column name."""
        return {name: getattr(self, name) for name in COLUMNS}


def score(truth: Sequence[str], answers: Sequence[Answer], labels: Sequence[str]) -> Scores:
    """The scores of one task: one answer per true label, in the same order; ``labels``: the task's list.

    A true label outside the list is scored all the same, as a class that no answer can hit (as in the release).

    Raises:
        ValueError: there is nothing to score, or the lengths differ.
    """
    n = len(truth)
    if n == 0 or n != len(answers):
        raise ValueError(f"{n} true labels and {len(answers)} answers: need as many of both, and at least one")
    predicted = [answer.scored_as for answer in answers]
    exact = classification(truth, predicted, labels)
    outcomes = Counter[str](answer.outcome for answer in answers)
    exact |= {name: outcomes[name] / n for name in OUTCOMES}
    exact["majority"] = max(Counter(truth).values()) / n
    correct = sum(map(str.__eq__, truth, predicted))
    exact["acc_ci_low"], exact["acc_ci_high"] = wilson(correct / n, n)
    return _scores(n, correct, exact)


def classification(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """acc, f1, precision, recall, wf1, wp and f1_labels of two equally long class lists, as fractions (0 to 1)."""
    n = len(truth)
    true_counts, predicted_counts = Counter(truth), Counter(predicted)
    hits = Counter(t for t, p in zip(truth, predicted, strict=True) if t == p)
    classes = list(dict.fromkeys([*true_counts, *predicted_counts]))

    def f1_of(name: str) -> float:
        # 2PR / (P + R) written in counts, as scikit-learn does: one division, no undefined intermediate
        total = true_counts[name] + predicted_counts[name]
        return 2 * hits[name] / total if total else 0.0

    f1 = {name: f1_of(name) for name in classes}
    precision = {name: hits[name] / predicted_counts[name] if predicted_counts[name] else 0.0 for name in classes}
    recall = {name: hits[name] / true_counts[name] if true_counts[name] else 0.0 for name in classes}
    return {
        "acc": sum(hits.values()) / n,
        "f1": math.fsum(f1.values()) / len(classes),
        "precision": math.fsum(precision.values()) / len(classes),
        "recall": math.fsum(recall.values()) / len(classes),
        "wf1": math.fsum(f1[name] * count for name, count in true_counts.items()) / n,
        "wp": math.fsum(precision[name] * count for name, count in true_counts.items()) / n,
        "f1_labels": math.fsum(map(f1_of, labels)) / len(labels) if labels else 0.0,
    }


def wilson(p: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a proportion.

    E. B. Wilson, JASA 22 (1927) 209-212; good near 0 and 1 and for small n, where the normal one is not (L. D.
    Brown, T. T. Cai, A. DasGupta, Statistical Science 16 (2001) 101-133).

    Args:
        p: the proportion that was seen, 0 to 1.
        n: in how many trials; may be an effective size.
        z: quantile of the standard normal distribution.

    Returns:
        Lower and upper end, as fractions (0 to 1).
    """
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(max(p * (1 - p), 0.0) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def overall(scores: Sequence[Scores], sizes: Sequence[float]) -> Scores:
    """A model's scores over tasks: means weighted by the tasks' *published* split sizes (``Task.sizes``).

    That is the published leaderboard's ACC (for full test sets: the accuracy over all utterances; a simple mean is
    2 to 6 points off). Published sizes, not the number of rows read, so that a ``--limit`` run or a data set with
    a few rows missing estimates the same quantity. ``n`` and ``correct`` are plain totals.

    The interval: tasks are strata, so the variance of the weighted accuracy is ``V = sum W^2 p(1-p)/n``; the Wilson
    interval is taken at the effective size ``P(1-P)/V`` (E. L. Korn, B. I. Graubard, Survey Methodology 24 (1998)
    193-201; C. Franco et al., J. Survey Statistics and Methodology 7 (2019) 334-364). Inside V, p is drawn
    towards 1/2 as in Wilson's centre, ``(x + z^2/2) / (n + z^2)``, lest a task at 0 or 100% seem certain.
    One task alone gives exactly its Wilson interval.

    Raises:
        ValueError: there is no task, or a size is missing or not positive.
    """
    if not scores or len(scores) != len(sizes) or min(sizes) <= 0:
        raise ValueError("overall scores need at least one task, and a positive size for each")
    total = math.fsum(sizes)
    weights = [size / total for size in sizes]
    exact = {
        name: math.fsum(weight * part.exact[name] for weight, part in zip(weights, scores, strict=True))
        for name in scores[0].exact
    }
    drawn = [(part.correct + Z95**2 / 2) / (part.n + Z95**2) for part in scores]
    variance = math.fsum(w * w * p * (1 - p) / s.n for w, p, s in zip(weights, drawn, scores, strict=True))
    centre = math.fsum(w * p for w, p in zip(weights, drawn, strict=True))
    effective = centre * (1 - centre) / variance
    exact["acc_ci_low"], exact["acc_ci_high"] = wilson(min(exact["acc"], 1.0), effective)
    return _scores(sum(part.n for part in scores), sum(part.correct for part in scores), exact)


def _scores(n: int, correct: int, exact: dict[str, float]) -> Scores:
    return Scores(n=n, correct=correct, exact=exact, **{name: round(100 * x, 2) for name, x in exact.items()})
