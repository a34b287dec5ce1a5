"""A task's answers label by label: how often each true label was taken for which, and how well it is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.scores.answers import OUTCOMES, Answer

# what an answer without a label counts as, beside the labels
OTHERS = OUTCOMES


@dataclass(frozen=True)
class LabelScores:
    """How well one label is found; rates in percent with two decimals.

    Attributes:
        label: the label.
        support: how many samples truly have it.
        predicted: how many answers name it.
        precision: of the answers that name it, how many are right (0 where none names it).
        recall: of the samples that have it, how many are found (0 where there is none).
        f1: the harmonic mean of both.
    """

    label: str
    support: int
    predicted: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Report:
    """One task's answers against the true labels.

    Attributes:
        counts: by true label and by what was answered, a label or one of `OTHERS`: how many samples; only what occurs.
        labels: the task's list, and behind it true labels that it lacks.
    """

    counts: Mapping[tuple[str, str], int]
    labels: Sequence[str]

    @classmethod
    def of(cls, truth: Sequence[str], answers: Sequence[Answer], labels: Sequence[str]) -> Report:
        """The report of answers, one to each true label; ``labels``: the task's list."""
        said = [answer.label if answer.label is not None else answer.outcome for answer in answers]
        return cls(Counter(zip(truth, said, strict=True)), [*dict.fromkeys((*labels, *truth))])

    @property
    def classes(self) -> list[str]:
        """The columns of the whole matrix: the labels, then `OTHERS`."""
        return [*self.labels, *OTHERS]

    def row(self, label: str) -> dict[str, int]:
        """How many samples of a true label were answered with each of the classes."""
        return {name: self.counts.get((label, name), 0) for name in self.classes}

    def by_label(self) -> list[LabelScores]:
        """Each label's scores, in the order of the list.

        A label's F1 is 2 hits / (support + predicted), as in `metrics.classification`.
        """
        support, predicted = Counter[str](), Counter[str]()
        for (true, said), count in self.counts.items():
            support[true] += count
            predicted[said] += count
        found = []
        for label in self.labels:
            hits, n, named = self.counts.get((label, label), 0), support[label], predicted[label]
            rates = (_percent(hits, named), _percent(hits, n), _percent(2 * hits, n + named))
            found.append(LabelScores(label, n, named, *rates))
        return found

    def mistakes(self) -> list[tuple[str, str, int]]:
        """True label, what was answered in its place, and how often: the most frequent first."""
        wrong = [(true, said, count) for (true, said), count in self.counts.items() if true != said]
        place = {name: at for at, name in enumerate(self.classes)}
        return sorted(wrong, key=lambda one: (-one[2], place[one[0]], place[one[1]]))

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values: scores by label, and the whole matrix by true label."""
        scores = [vars(one) for one in self.by_label()]
        return {"labels": scores, "confusion": {label: self.row(label) for label in self.labels}}


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
