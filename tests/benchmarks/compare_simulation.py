"""How often the tests of `compare` find a difference that is none, and how often its intervals hold the truth.

    python -m tests.benchmarks.compare_simulation [SIMULATIONS]

Two runs of the same accuracy answer a task's test split; how well each does varies from dialogue to dialogue, so that
the samples of a dialogue are right or wrong together. Whatever says that these runs differ is wrong.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from orchestrator.scores.compare.intervals import intervals
from orchestrator.scores.compare.paired import Paired
from orchestrator.scores.compare.resampling import resample
from orchestrator.scores.compare.significance import ALPHA, accuracy_test, f1_test
from tests.scores.compare.made_up import made_up


class Setting(NamedTuple):
    """A test split of the benchmark's: (the same sizes, dialogues of unlike lengths) and how much dialogues differ."""

    name: str
    n: int
    labels: int
    dialogues: int
    spread: float


# the benchmark's smallest and one of its largest number of dialogues
SETTINGS = [
    Setting("no dialogues", 994, 2, 0, 0.0),
    Setting("31 dialogues", 686, 2, 31, 0.15),
    Setting("280 dialogues", 2_610, 7, 280, 0.25),
]


def drawn(setting: Setting, simulations: int, seed: int) -> Iterator[Paired]:
    """Tasks with two runs between which there is no difference."""
    rng = np.random.default_rng(seed)
    for _ in range(simulations):
        yield made_up(rng, 2, setting.n, labels=setting.labels, dialogues=setting.dialogues, spread=setting.spread)


def alone(task: Paired) -> Paired:
    """The task as if its samples were independent of each other."""
    return replace(task, clusters=None)


def found(setting: Setting, simulations: int, seed: int) -> tuple[float, float]:
    """How often a difference of accuracy is found, with samples taken for independent and by dialogue."""
    hits = [0, 0]
    for task in drawn(setting, simulations, seed):
        for at, one in enumerate((alone(task), task)):
            hits[at] += accuracy_test(one, 0, 1).p <= ALPHA
    return hits[0] / simulations, hits[1] / simulations


def found_f1(setting: Setting, simulations: int, seed: int, draws: int = 199) -> tuple[float, float]:
    """As `found`, of macro F1."""
    hits = [0, 0]
    for number, task in enumerate(drawn(setting, simulations, seed)):
        for at, one in enumerate((alone(task), task)):
            hits[at] += f1_test(one, 0, 1, draws, number).p <= ALPHA
    return hits[0] / simulations, hits[1] / simulations


def held(setting: Setting, simulations: int, seed: int, draws: int = 1_000) -> dict[str, tuple[float, float]]:
    """How often 95 % intervals hold the true difference, 0: (accuracy, macro F1) of three kinds of interval."""
    hits = {kind: np.zeros(2) for kind in ("by sample", "by dialogue, plain percentiles", "by dialogue, as shown")}

    def holds(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return (low <= 0) & (high >= 0)

    for number, task in enumerate(drawn(setting, simulations, seed)):
        for kind, one in (("by sample", alone(task)), ("by dialogue, as shown", task)):
            of = intervals([one], 0, draws, number)
            hits[kind] += holds(of.difference_low[0, 1], of.difference_high[0, 1])
        gaps = resample(task, draws, number).draws
        hits["by dialogue, plain percentiles"] += holds(*np.quantile(gaps[:, 1] - gaps[:, 0], (0.025, 0.975), axis=0))
    return {kind: (count[0] / simulations, count[1] / simulations) for kind, count in hits.items()}


def error(simulations: int, rate: float = ALPHA) -> float:
    """The standard error of a rate found in so many simulations."""
    return math.sqrt(rate * (1 - rate) / simulations)


def main(simulations: int) -> None:
    """Simulate and print."""
    fewer = simulations // 4
    print("\nDifferences found where there is none, in percent; 5.0 is wanted, give or take")
    print(f"{200 * error(simulations):.1f} (accuracy, {simulations:,} simulations), ", end="")
    print(f"{200 * error(fewer):.1f} (macro F1, {fewer:,})\n")
    print("| test split | accuracy, by sample | accuracy, by dialogue | macro F1, by sample | macro F1, by dialogue |")
    print("|---|---|---|---|---|")
    for at, setting in enumerate(SETTINGS):
        rates = (*found(setting, simulations, at), *found_f1(setting, fewer, at))
        print(f"| {setting.name}, {setting.n:,} samples | {' | '.join(f'{100 * rate:.1f}' for rate in rates)} |")
    few = SETTINGS[1]
    print(f"\nIntervals that hold the truth, {few.name}, {fewer:,} simulations, in percent (wanted: 95)\n")
    print("| interval | accuracy | macro F1 |\n|---|---|---|")
    for kind, rates in held(few, fewer, 7).items():
        print(f"| {kind} | {100 * rates[0]:.1f} | {100 * rates[1]:.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000)
