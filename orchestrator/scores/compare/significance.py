"""Whether two runs differ on one task: McNemar, sign-flip by dialogue, randomisation of macro F1; many tests: Holm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.scores.compare.paired import Paired

ALPHA = 0.05


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
    raise NotImplementedError


def mcnemar(only_a: int, only_b: int) -> tuple[float, float]:
    """McNemar's test of two counts of samples that only one of two runs got right: exact p and mid-p, two-sided."""
    raise NotImplementedError


def accuracy_test(task: Paired, a: int, b: int) -> Test:
    """Whether the accuracies of two runs differ. Nothing is drawn: both tests are exact, so there is no seed."""
    raise NotImplementedError


def f1_test(task: Paired, a: int, b: int, draws: int, seed: int) -> Test:
    """Whether the macro F1 of two runs differ: paired approximate randomisation, by dialogue where there are any."""
    raise NotImplementedError


def holm(p: Sequence[float | None]) -> list[float]:
    """Holm's adjusted p values of a family; ``None`` and NaN are no part of it and stay (as NaN)."""
    raise NotImplementedError


def smallest_difference(n: int, share: float) -> int | None:
    """The smallest difference, in samples, that McNemar's mid-p shows at 0.05 among `n` independent samples.

    In points of accuracy: ``100 * smallest_difference(n, share) / n``.

    Args:
        n: number of samples.
        share: of how many of them only one of the runs is right (0 to 1; typical: 0.15).

    Returns:
        ``None`` where no difference would do: of fewer than 5 samples that only one run got right (the exact test: 6).
    """
    raise NotImplementedError


def smallest_between(task: Paired, a: int, b: int) -> int | None:
    """As `smallest_difference`, by the test that `accuracy_test` takes and as often as these two runs differ.

    Where samples come from dialogues, the dialogues' own differences are kept and only their signs are free.
    """
    raise NotImplementedError
