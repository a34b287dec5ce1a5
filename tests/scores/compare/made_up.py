"""Made-up answers of several runs to one task, in dialogues of unlike lengths."""

from __future__ import annotations

import numpy as np

from orchestrator.scores.compare.paired import Codes, Paired


def made_up(
    rng: np.random.Generator,
    runs: int,
    n: int,
    *,
    labels: int = 5,
    dialogues: int = 0,
    accuracy: float = 0.6,
    spread: float = 0.0,
    name: str = "T",
) -> Paired:
    """A task whose runs do not differ but by chance.

    Args:
        rng: what draws.
        runs: how many.
        n: number of samples.
        labels: number of labels.
        dialogues: how many at most; 0: samples are independent.
        accuracy: how often a run knows the answer; else it says anything, so it is right a little more often.
        spread: standard deviation of that over the dialogues, drawn for each run by itself.
        name: the task's.
    """
    truth = rng.integers(0, labels, n)
    clusters = rng.choice(dialogues, n, p=rng.dirichlet(np.full(dialogues, 3.0))) if dialogues else None
    return Paired(name, truth, answers_of(rng, truth, runs, labels, accuracy, clusters, spread), labels, clusters, n)


def answers_of(
    rng: np.random.Generator,
    truth: Codes,
    runs: int,
    labels: int,
    accuracy: float,
    clusters: Codes | None = None,
    spread: float = 0.0,
) -> Codes:
    """(runs, n) answers: see `made_up`."""
    known = np.full((runs, len(truth)), accuracy)
    if clusters is not None:
        known += rng.normal(0, spread, (runs, int(clusters.max()) + 1))[:, clusters]
    said = rng.integers(0, labels + 2, known.shape)
    answers: Codes = np.where(rng.random(known.shape) < known, truth, said)
    return answers
