"""The answers of several runs to the same samples of one task, as class codes: what tests and intervals are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

METRICS = ("acc", "f1")  # accuracy; macro F1 as `scores.metrics` defines it


@dataclass(frozen=True)
class Paired:
    """Several runs' answers to the same samples of one task.

    Attributes:
        name: the task's name. Draws are seeded with it, so that a task's numbers do not depend on the tasks beside it.
        truth: (n,) true classes, ``0 <= code < labels``.
        answers: (runs, n) what each run said: a label's code, `unknown` (also for empty and error) or `multi`. A run
            that did not do the task has -1 everywhere.
        labels: the number of classes with a code: the task's label list and, behind it, true labels outside the list.
        clusters: (n,) the dialogue of each sample, any integers; ``None``: samples are independent of each other.
        weight: the published size of the split, for the overall score.
    """

    name: str
    truth: Codes
    answers: Codes
    labels: int
    clusters: Codes | None
    weight: float

    @property
    def unknown(self) -> int:
        """The code of an answer without a label."""
        return self.labels

    @property
    def multi(self) -> int:
        """The code of an answer with several labels."""
        return self.labels + 1

    @property
    def classes(self) -> int:
        """The number of classes that an answer can be scored as."""
        return self.labels + 2

    @property
    def units(self) -> int:
        """How many independent units there are: dialogues or, where there are none, samples."""
        return len(self.truth) if self.clusters is None else len(np.unique(self.clusters))

    def did(self, run: int) -> bool:
        """Whether a run did this task."""
        return bool(len(self.truth)) and int(self.answers[run, 0]) >= 0


def dialogue_codes(dialogues: Sequence[str | None]) -> Codes | None:
    """`Paired.clusters` of the samples' dialogues (``Task.dialogue_of``); ``None`` where no dialogue has two samples.

    A sample of which no dialogue is known (``None``) is one of its own.
    """
    names = [f"{at}" if name is None else f" {name}" for at, name in enumerate(dialogues)]
    known = {name: code for code, name in enumerate(dict.fromkeys(names))}
    if len(known) == len(names):
        return None
    return np.array([known[name] for name in names], dtype=np.int64)
