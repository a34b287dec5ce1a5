"""From the bootstrap draws of runs to intervals of groups of runs, which differ only in the seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from orchestrator.scores.compare.counts import Values
from orchestrator.scores.compare.percentiles import Part, expanded
from orchestrator.scores.compare.resampling import Drawn

SEEDS = 5  # from so many runs on that differ only in the seed, an interval counts seeds as drawn, too

Groups = Sequence[Sequence[int]]


class Grouped(NamedTuple):
    """The scores of groups of runs.

    Attributes:
        value: (groups, metrics) means over each group's runs.
        deviation: (groups, metrics) standard deviations over them; NaN for one run.
        draws: (draws, groups, metrics).
        by_seed: (groups, metrics) the part of the draws' variance that comes of drawing seeds.
    """

    value: Values
    deviation: Values
    draws: Values
    by_seed: Values


class Stratum(NamedTuple):
    """What is drawn by itself: the dialogues or samples of one task, so many, and its share in the score (0 to 1)."""

    share: float
    units: int
    scores: Grouped


def seed_weights(groups: Groups, draws: int, seed: int) -> list[Values]:
    """Of each group (draws, runs): what each run counts in each draw, the same for all tasks, as a seed is one run."""
    found = []
    for at, group in enumerate(groups):
        size = len(group)
        even = np.full(size, 1 / size)
        rng = np.random.default_rng([seed, at])
        drawn = rng.multinomial(size, even, draws) / size if size >= SEEDS else np.tile(even, (draws, 1))
        found.append(drawn)
    return found


def grouped(drawn: Drawn, groups: Groups, weights: Sequence[Values]) -> Grouped:
    """The scores of groups, of those of runs and of what `seed_weights` gave."""
    runs = [drawn.values[list(group)] for group in groups]
    unknown = np.full(runs[0].shape[1:], np.nan)
    draws = [
        np.einsum("dr,drm->dm", weight, drawn.draws[:, list(group)])
        for group, weight in zip(groups, weights, strict=True)
    ]
    return Grouped(
        value=np.stack([values.mean(axis=0) for values in runs]),
        deviation=np.stack([values.std(axis=0, ddof=1) if len(values) > 1 else unknown for values in runs]),
        draws=np.stack(draws, axis=1),
        by_seed=np.stack([values.var(axis=0) / len(values) * (len(values) >= SEEDS) for values in runs]),
    )


def ends(
    scores: Grouped, strata: Sequence[Stratum], groups: Groups, baseline: int | None = None
) -> tuple[Values, Values]:
    """(groups, metrics) lower and upper ends of scores or, with a baseline, of the differences from that group's.

    NaN where a task has a single dialogue: nothing says how much another one would change.
    """
    if any(stratum.units < 2 for stratum in strata):
        return np.full_like(scores.value, np.nan), np.full_like(scores.value, np.nan)
    seeds = np.array([len(group) for group in groups], dtype=np.float64)[:, None]
    parts: list[Part] = [(scores.by_seed, seeds)]
    if baseline is not None:
        parts.append((scores.by_seed[baseline], seeds[baseline]))
    for share, units, of_task in strata:
        by_seed = of_task.by_seed + (0 if baseline is None else of_task.by_seed[baseline])
        variance = np.maximum(_from(of_task.draws, baseline).var(axis=0) - by_seed, 0)
        parts.append((share**2 * variance, np.array(float(units))))
    return expanded(_from(scores.draws, baseline), parts)


def _from(draws: Values, baseline: int | None) -> Values:
    return draws if baseline is None else draws - draws[:, [baseline]]
