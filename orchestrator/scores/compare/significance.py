"""Whether two runs differ on one task: McNemar, sign-flip by dialogue, randomisation of macro F1; many tests: Holm.

The tests and why these: T. G. Dietterich, Neural Computation 10 (1998) 1895-1923; R. Dror et al., ACL 2018.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from orchestrator.scores.compare.counts import Values, macro_f1
from orchestrator.scores.compare.paired import Codes, Paired

ALPHA = 0.05
_CHANCE = 1e-12  # differences of scores below this are rounding


class Test(NamedTuple):
    """A two-sided test of "the two runs do not differ".

    Attributes:
        p: the p value to show; 1 where the runs never differ.
        method: ``mcnemar`` (mid-p), ``sign-flip`` (by dialogue, exact) or ``randomisation``.
        exact: of McNemar, the p of the exact test; ``None`` else.
    """

    p: float
    method: str
    exact: float | None = None


def discordant(task: Paired, a: int, b: int) -> tuple[int, int]:
    """How many samples only run `a` got right, and how many only run `b`."""
    ahead = _ahead(task, a, b)
    return int((ahead > 0).sum()), int((ahead < 0).sum())


def mcnemar(only_a: int, only_b: int) -> tuple[float, float]:
    """McNemar's test of two counts of samples that only one of two runs got right.

    Q. McNemar, Psychometrika 12 (1947) 153-157; mid-p: M. W. Fagerland et al., BMC Medical Research Methodology 13
    (2013) 91, which keeps to 5 % without being as timid as the exact test.

    Returns:
        The two-sided p of the exact binomial test, and mid-p.
    """
    n, fewer = only_a + only_b, min(only_a, only_b)
    last = math.exp(_log_half(n, fewer))
    twice = 2 * math.fsum(math.exp(_log_half(n, k)) for k in range(fewer + 1))
    return min(1.0, twice), min(1.0, twice - last)


def accuracy_test(task: Paired, a: int, b: int) -> Test:
    """Whether the accuracies of two runs differ: McNemar, or by dialogue where the task has any.

    By dialogue: under "no difference" each dialogue's (right of a - right of b) could as well have the other sign. All
    such flips are counted, none is drawn (R. A. Fisher, The Design of Experiments, 1935, section 21).
    """
    if task.clusters is None:
        exact, mid = mcnemar(*discordant(task, a, b))
        return Test(mid, "mcnemar", exact)
    sums = _by_dialogue(task, a, b)
    return Test(float(_tail(sums)[abs(int(sums.sum()))]), "sign-flip")


def f1_test(task: Paired, a: int, b: int, draws: int, seed: int) -> Test:
    """Whether the macro F1 of two runs differ: paired approximate randomisation.

    Both runs' answers to a sample, or to a whole dialogue, are swapped at random (E. W. Noreen, Computer-Intensive
    Methods for Testing Hypotheses, 1989; A. Yeh, COLING 2000).

    Args:
        task: with both runs.
        a, b: the runs.
        draws: how often; the smallest p that can be found is 1 / (draws + 1).
        seed: of the draws.
    """
    sizes, moved = _swappable(task, a, b)
    true = np.bincount(task.truth, minlength=task.classes).astype(np.float64)
    of_a, of_b = _counts(task, a), _counts(task, b)

    def gap(change: Values) -> Values:
        first, second = of_a + change, of_b - change
        return np.abs(
            macro_f1(true, first[..., 0, :], first[..., 1, :]) - macro_f1(true, second[..., 0, :], second[..., 1, :])
        )

    observed = gap(np.zeros_like(of_a)) - _CHANCE
    rng = np.random.default_rng([seed, *task.name.encode()])
    hits, step = 0, max(1, 4_000_000 // max(1, len(sizes)))
    for start in range(0, draws, step):
        shape = (min(step, draws - start), len(sizes))
        swapped = rng.binomial(sizes, 0.5, shape) if (sizes > 1).any() else rng.integers(0, 2, shape, dtype=np.int8)
        change = (swapped.astype(np.float32) @ moved).reshape(-1, 2, task.classes).astype(np.float64)
        hits += int(np.count_nonzero(gap(change) >= observed))
    return Test((hits + 1) / (draws + 1), "randomisation")


def holm(p: Sequence[float | None]) -> list[float]:
    """Holm's adjusted p values of a family of tests: below 0.05, a difference holds beside all the others.

    S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70. ``None`` and NaN are no part of the family and stay (as
    NaN).
    """
    family = [at for at, value in enumerate(p) if value is not None and not math.isnan(value)]
    adjusted, least = [math.nan] * len(p), 0.0
    for place, at in enumerate(sorted(family, key=lambda at: p[at] or 0.0)):
        least = max(least, min(1.0, (p[at] or 0.0) * (len(family) - place)))
        adjusted[at] = least
    return adjusted


def smallest_difference(n: int, share: float) -> int | None:
    """The smallest difference, in samples, that McNemar's mid-p shows at 0.05 among `n` independent samples.

    In points of accuracy: ``100 * smallest_difference(n, share) / n``.

    Args:
        n: number of samples.
        share: of how many of them only one of the runs is right (0 to 1; typical: 0.15).

    Returns:
        ``None`` where no difference would do: of fewer than 5 samples that only one run got right (the exact test: 6).
    """
    return _smallest(round(n * share))


def smallest_between(task: Paired, a: int, b: int) -> int | None:
    """As `smallest_difference`, by the test that `accuracy_test` takes and as often as these two runs differ.

    Where samples come from dialogues, the dialogues' own differences are kept and only their signs are free.
    """
    if task.clusters is None:
        return _smallest(sum(discordant(task, a, b)))
    tail = _tail(_by_dialogue(task, a, b))
    shows = np.flatnonzero(tail <= ALPHA)
    # the first total that some signs give
    return int(np.flatnonzero(tail == tail[shows[0]])[-1]) if len(shows) else None


def _smallest(pairs: int) -> int | None:
    """Of so many samples that only one of two runs got right, the smallest net difference with a mid-p up to 0.05."""
    found, below = None, 0.0
    for fewer in range(pairs // 2 + 1):
        chance = math.exp(_log_half(pairs, fewer))
        if 2 * below + chance > ALPHA:
            break
        found, below = pairs - 2 * fewer, below + chance
    return found


def _log_half(n: int, k: int) -> float:
    """The logarithm of the chance of `k` heads in `n` throws of a fair coin."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)


def _ahead(task: Paired, a: int, b: int) -> Codes:
    """By sample: 1 where only run `a` is right, -1 where only run `b` is, 0 else."""
    ahead: Codes = (task.answers[a] == task.truth).astype(np.int64) - (task.answers[b] == task.truth)
    return ahead


def _by_dialogue(task: Paired, a: int, b: int) -> Codes:
    """How many samples more run `a` got right than run `b`, by dialogue, where that is not 0."""
    _, codes = np.unique(
        task.clusters if task.clusters is not None else np.arange(len(task.truth)), return_inverse=True
    )
    sums: Codes = np.bincount(codes, weights=_ahead(task, a, b)).astype(np.int64)
    differ: Codes = sums[sums != 0]
    return differ


def _tail(sums: Codes) -> Values:
    """The chance that the total of sums with random signs is at least as far from 0 as each of 0, 1, 2, ..."""
    most = int(np.abs(sums).sum())
    chance = np.zeros(2 * most + 1)
    chance[most] = 1.0
    for size in np.abs(sums):
        flipped = np.zeros_like(chance)
        flipped[size:] += chance[:-size]
        flipped[:-size] += chance[size:]
        chance = flipped / 2
    beyond = np.concatenate([chance[most : most + 1], chance[most + 1 :] + chance[:most][::-1]])
    tail: Values = np.minimum(1.0, np.cumsum(beyond[::-1])[::-1])
    return tail


def _swappable(task: Paired, a: int, b: int) -> tuple[Codes, NDArray[np.float32]]:
    """What can be swapped between two runs, and what run `a`'s counts gain by it.

    Returns:
        (k,) how many alike units each row stands for, and (k, 2 * classes) its gain in hits and predictions by class.
    """
    said_a, said_b = task.answers[a], task.answers[b]
    differ = np.flatnonzero(said_a != said_b)
    truth, said_a, said_b = task.truth[differ], said_a[differ], said_b[differ]
    if task.clusters is None:  # samples of one kind are one row
        kinds, sizes = np.unique(np.stack([truth, said_a, said_b]), axis=1, return_counts=True)
        truth, said_a, said_b = kinds
        row = np.arange(len(sizes))
    else:
        names, row = np.unique(task.clusters[differ], return_inverse=True)
        sizes = np.ones(len(names), dtype=np.int64)
    gain = np.zeros((len(sizes), 2, task.classes), dtype=np.float32)
    for said, sign in ((said_b, 1), (said_a, -1)):
        np.add.at(gain[:, 0], (row, said), sign * (said == truth))
        np.add.at(gain[:, 1], (row, said), sign)
    return sizes, gain.reshape(len(sizes), 2 * task.classes)


def _counts(task: Paired, run: int) -> Values:
    """(2, classes): a run's hits and predictions by class."""
    said = task.answers[run]
    hits = np.bincount(said[said == task.truth], minlength=task.classes)
    return np.stack([hits, np.bincount(said, minlength=task.classes)]).astype(np.float64)
