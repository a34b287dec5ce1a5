from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from orchestrator.scores.compare.paired import Paired
from orchestrator.scores.compare.significance import (
    accuracy_test,
    discordant,
    f1_test,
    holm,
    mcnemar,
    smallest_between,
    smallest_difference,
)
from orchestrator.scores.metrics import classification
from tests.scores.compare.made_up import made_up


@pytest.fixture(scope="module")
def contingency() -> Any:
    return pytest.importorskip("statsmodels.stats.contingency_tables")


@pytest.fixture(scope="module")
def multitest() -> Any:
    return pytest.importorskip("statsmodels.stats.multitest")


def of_rights(*rights: str, clusters: str = "") -> Paired:
    """A task of one class whose runs are right where there is a 1; a letter for each sample names its dialogue."""
    answers = np.array([[0 if right == "1" else 1 for right in run] for run in rights])
    codes = np.array([ord(letter) for letter in clusters]) if clusters else None
    return Paired("T", np.zeros(len(rights[0]), dtype=np.int64), answers, 1, codes, 1.0)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_that_of_statsmodels_and_of_the_binomial_distribution(
    contingency: Any, only_a: int, only_b: int
) -> None:
    exact, mid = mcnemar(only_a, only_b)
    theirs = contingency.mcnemar([[7, only_a], [only_b, 9]], exact=True).pvalue if only_a + only_b else 1.0
    assert exact == pytest.approx(float(theirs), rel=1e-9)
    fewer, n = min(only_a, only_b), only_a + only_b
    assert mid == pytest.approx(2 * binom.cdf(fewer, n, 0.5) - binom.pmf(fewer, n, 0.5), rel=1e-9)
    assert mid <= exact <= 1


def test_mcnemar_of_tens_of_thousands() -> None:
    exact, mid = mcnemar(20_300, 19_700)
    assert exact == pytest.approx(2 * binom.cdf(19_700, 40_000, 0.5), rel=1e-9)
    assert mid == pytest.approx(exact - binom.pmf(19_700, 40_000, 0.5), rel=1e-9)


def test_mcnemar_of_tables_drawn_at_random(contingency: Any) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        task = made_up(rng, 2, int(rng.integers(5, 300)))
        right_a, right_b = (task.answers == task.truth).tolist()
        pairs = list(zip(right_a, right_b, strict=True))
        table = [[pairs.count((True, True)), pairs.count((True, False))],
                 [pairs.count((False, True)), pairs.count((False, False))]]  # fmt: skip
        assert discordant(task, 0, 1) == (table[0][1], table[1][0])
        test = accuracy_test(task, 0, 1)
        assert test.method == "mcnemar"
        assert test.exact == pytest.approx(float(contingency.mcnemar(table, exact=True).pvalue), rel=1e-9)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan), st.none()), max_size=12))
def test_holm_is_that_of_statsmodels(multitest: Any, p: list[float | None]) -> None:
    family = [value for value in p if value is not None and not math.isnan(value)]
    theirs = multitest.multipletests(family, method="holm")[1].tolist() if family else []
    ours = holm(p)
    assert [value for value in ours if not math.isnan(value)] == pytest.approx(theirs, rel=1e-12)
    assert [math.isnan(value) for value in ours] == [value is None or math.isnan(value) for value in p]


def test_signs_of_dialogues_are_flipped_in_all_ways() -> None:
    rng = np.random.default_rng(2)
    for dialogues in (1, 2, 5, 11):
        task = made_up(rng, 2, 60, dialogues=dialogues, spread=0.3)
        assert task.clusters is not None
        ahead = (task.answers[0] == task.truth).astype(int) - (task.answers[1] == task.truth)
        sums = [int(ahead[task.clusters == code].sum()) for code in range(dialogues)]
        flips = [abs(sum(a * b for a, b in zip(signs, sums, strict=True)))
                 for signs in itertools.product((1, -1), repeat=dialogues)]  # fmt: skip
        test = accuracy_test(task, 0, 1)
        assert (test.method, test.exact) == ("sign-flip", None)
        assert test.p == pytest.approx(np.mean(np.array(flips) >= abs(sum(sums))))


def test_dialogues_of_one_sample_give_the_exact_mcnemar() -> None:
    a, b = "1111111100", "0000001101"
    alone, apart = of_rights(a, b), of_rights(a, b, clusters="abcdefghij")
    assert accuracy_test(apart, 0, 1).p == pytest.approx(accuracy_test(alone, 0, 1).exact or 0)


def test_a_dialogue_is_one_observation() -> None:
    # 8 samples of one dialogue that only one run got right: McNemar is sure (p 0.004), one dialogue says nothing
    task = of_rights("1" * 8, "0" * 8, clusters="aaaaaaaa")
    assert accuracy_test(task, 0, 1).p == 1
    assert accuracy_test(of_rights("1" * 8, "0" * 8), 0, 1).p == pytest.approx(1 / 256)
    assert accuracy_test(of_rights("1" * 8, "0" * 8, clusters="aabbccdd"), 0, 1).p == pytest.approx(2 / 16)


def test_runs_that_never_differ() -> None:
    for task in (of_rights("110", "110"), of_rights("110", "110", clusters="aab")):
        assert accuracy_test(task, 0, 1).p == 1
        assert f1_test(task, 0, 1, 50, 0).p == 1
        assert smallest_between(task, 0, 1) is None


def macro_f1(truth: list[int], said: list[int]) -> float:
    return classification([str(t) for t in truth], [str(s) for s in said], [])["f1"]


@pytest.mark.parametrize("dialogues", [0, 4])
def test_randomisation_of_macro_f1_nears_all_swaps(dialogues: int) -> None:
    task = made_up(np.random.default_rng(3), 2, 9, labels=2, dialogues=dialogues, accuracy=0.4)
    units = task.clusters if task.clusters is not None else np.arange(9)
    truth, (a, b) = task.truth.tolist(), task.answers

    def gap(swapped: set[int]) -> float:
        swap = np.array([unit in swapped for unit in units])
        first, second = np.where(swap, b, a).tolist(), np.where(swap, a, b).tolist()
        return abs(macro_f1(truth, first) - macro_f1(truth, second))

    names = sorted({*units.tolist()})
    swaps = [{name for name, on in zip(names, ons, strict=True) if on}
             for ons in itertools.product((0, 1), repeat=len(names))]  # fmt: skip
    exact = np.mean([gap(swap) >= gap(set()) - 1e-12 for swap in swaps])
    assert 0.05 < exact < 0.95
    test = f1_test(task, 0, 1, 20_000, 5)
    assert test.method == "randomisation"
    assert test.p == pytest.approx(exact, abs=0.015)  # four standard errors of 20,000 draws
    assert f1_test(task, 0, 1, 20_000, 5) == test
    assert f1_test(task, 1, 0, 20_000, 6).p == pytest.approx(exact, abs=0.015)


def test_a_macro_f1_far_apart_is_told() -> None:
    task = made_up(np.random.default_rng(4), 2, 400, dialogues=50)
    better = Paired("T", task.truth, np.stack([task.answers[0], task.truth]), 5, task.clusters, 1.0)
    assert f1_test(better, 0, 1, 999, 0).p == 1 / 1000


def test_the_smallest_difference_that_shows() -> None:
    # 15 % of MUStARD's, MIntRec's and MOSI's test samples: 8.0, 3.8 and 3.1 points
    found = [smallest_difference(n, 0.15) for n in (138, 445, 686)]
    assert [round(100 * (gap or 0) / n, 1) for gap, n in zip(found, (138, 445, 686), strict=True)] == [8.0, 3.8, 3.1]
    assert [smallest_difference(pairs, 1.0) for pairs in (0, 4, 5, 6)] == [None, None, 5, 6]
    for pairs in range(5, 200):
        gap = smallest_difference(pairs, 1.0)
        assert gap is not None
        assert mcnemar((pairs + gap) // 2, (pairs - gap) // 2)[1] <= 0.05
        assert mcnemar((pairs + gap) // 2 - 1, (pairs - gap) // 2 + 1)[1] > 0.05


def test_the_smallest_difference_between_two_runs() -> None:
    assert smallest_between(of_rights("1" * 20 + "0" * 5, "0" * 20 + "1" * 5), 0, 1) == smallest_difference(25, 1.0)
    # six dialogues of 4 samples each, every one of them won: 2 of 64 flips are as far from 0, the next 14
    task = of_rights("1" * 24, "0" * 24, clusters="".join(letter * 4 for letter in "abcdef"))
    assert accuracy_test(task, 0, 1).p == pytest.approx(2 / 64)
    assert smallest_between(task, 0, 1) == 24
    five = of_rights("1" * 20, "0" * 20, clusters="".join(letter * 4 for letter in "abcde"))
    assert smallest_between(five, 0, 1) is None
