"""Made-up answers of several runs to one task, in dialogues."""

from __future__ import annotations

import numpy as np

from orchestrator.scores.compare.paired import Codes, Paired


def answers_of(
    rng: np.random.Generator,
    truth: Codes,
    labels: int,
    accuracy: float,
    clusters: Codes | None = None,
    spread: float = 0.0,
) -> Codes:
    """A run's answers: right with a chance that varies by dialogue (standard deviation ``spread``); else any class."""
    chance = np.full(len(truth), accuracy)
    if clusters is not None and spread:
        chance = np.clip(chance + rng.normal(0, spread, clusters.max() + 1)[clusters], 0, 1)
    said = rng.integers(0, labels + 2, len(truth))
    return np.where(rng.random(len(truth)) < chance, truth, said)


def made_up(
    rng: np.random.Generator, runs: int, n: int, *, labels: int = 5, dialogues: int = 0, accuracy: float = 0.6,
    spread: float = 0.0, name: str = "T"
) -> Paired:  # fmt: skip
    """A task with so many runs of one accuracy; ``dialogues`` 0: samples are independent."""
    truth = rng.integers(0, labels, n)
    clusters = rng.integers(0, dialogues, n) if dialogues else None
    answers = [answers_of(rng, truth, labels, accuracy, clusters, spread) for _ in range(runs)]
    return Paired(name, truth, np.array(answers), labels, clusters, float(n))
