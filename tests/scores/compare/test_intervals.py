from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import norm, t

from orchestrator.benchmark.published import published, published_acc
from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.scores.compare.grouping import SEEDS
from orchestrator.scores.compare.intervals import Intervals, intervals, seed_intervals, unpaired
from orchestrator.scores.compare.paired import Paired
from orchestrator.scores.compare.percentiles import expanded, t95
from orchestrator.scores.compare.resampling import resample
from orchestrator.scores.metrics import wilson
from tests.scores.compare.made_up import made_up


def test_students_quantile() -> None:
    for freedom in (3, 4, 7.5, 30, 35, 144, 1e6):
        assert t95(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=2e-3)


def test_percentiles_are_further_out_where_few_units_were_drawn() -> None:
    draws = np.random.default_rng(1).normal(size=(4_000, 3, 2))
    for units in (10, 31, 1e9):
        low, high = expanded(draws, [(draws.var(axis=0), np.array(units))])
        level = norm.cdf(-np.sqrt(units / (units - 1)) * t.ppf(0.975, units - 1))
        assert low == pytest.approx(np.quantile(draws, level, axis=0), abs=1e-3)
        assert high == pytest.approx(np.quantile(draws, 1 - level, axis=0), abs=1e-3)
    same = np.ones((50, 1))
    assert [end.tolist() for end in expanded(same, [(np.zeros(1), np.array(5.0))])] == [[1], [1]]


def test_two_parts_of_the_variance_share_their_degrees_of_freedom() -> None:
    draws = np.random.default_rng(2).normal(size=(4_000, 1))
    few, many = np.array(5.0), np.array(1e9)
    half = [(np.array([0.5]), few), (np.array([0.5]), many)]
    # Satterthwaite: (0.5 * 5/4 + 0.5)^2 / ((0.5 * 5/4)^2 / 4)
    level = norm.cdf(-np.sqrt(1.125) * t.ppf(0.975, 1.125**2 / (0.625**2 / 4)))
    assert expanded(draws, half)[0] == pytest.approx(np.quantile(draws, level, axis=0), abs=1e-3)
    only = expanded(draws, [(np.array([0.0]), few), (np.array([1.0]), many)])
    assert only[0] == pytest.approx(np.quantile(draws, 0.025, axis=0), abs=1e-6)


def test_an_interval_is_that_of_the_sandwich_where_there_are_many_dialogues() -> None:
    task = made_up(np.random.default_rng(3), 2, 2_610, dialogues=280, spread=0.15)
    found = intervals([task], 0, 4_000, 0)
    ahead = (task.answers[1] == task.truth).astype(float) - (task.answers[0] == task.truth)
    assert found.difference[0, 1, 0] == pytest.approx(ahead.mean())
    assert task.clusters is not None
    sums = np.bincount(task.clusters, weights=ahead - ahead.mean())
    half = 1.97 * np.sqrt((sums**2).sum()) / len(ahead)
    assert found.difference_low[0, 1, 0] == pytest.approx(ahead.mean() - half, abs=0.08 * half)
    assert found.difference_high[0, 1, 0] == pytest.approx(ahead.mean() + half, abs=0.08 * half)
    alone = intervals([replace(task, clusters=None)], 0, 4_000, 0)
    width = [one.difference_high[0, 1, 0] - one.difference_low[0, 1, 0] for one in (found, alone)]
    assert width[0] > 1.2 * width[1]


def several() -> list[Paired]:
    rng = np.random.default_rng(4)
    sizes = [(300, 31), (500, 0), (200, 50)]
    return [made_up(rng, 4, n, dialogues=k, spread=0.1, name=f"T{n}") for n, k in sizes]


def arrays(found: Intervals) -> list[np.ndarray]:
    return [found.value, found.low, found.high, found.difference, found.difference_low, found.difference_high]


def test_overall_is_weighted_and_each_task_is_drawn_by_itself() -> None:
    tasks = [replace(task, weight=weight) for task, weight in zip(several(), (1.0, 2.0, 5.0), strict=True)]
    found = intervals(tasks, 1, 500, 0)
    assert found.value.shape == (4, 4, 2)
    assert found.value[3] == pytest.approx((found.value[0] + 2 * found.value[1] + 5 * found.value[2]) / 8)
    assert found.difference == pytest.approx(found.value - found.value[:, [1]])
    assert (found.units, found.few, found.common) == ((31, 500, 43), (True, False, False, False), (0, 1, 2))
    for one in arrays(found)[3:]:
        assert (one[:, 1] == 0).all()
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()
    assert np.isnan(found.deviation).all()
    # independent tasks: variances add up
    draws = [resample(task, 500, 0).draws for task in tasks]
    variance = sum((w / 8) ** 2 * (d[:, 0] - d[:, 1]).var(axis=0) for w, d in zip((1, 2, 5), draws, strict=True))
    width = found.difference_high[3, 0] - found.difference_low[3, 0]
    assert width == pytest.approx(2 * 1.98 * np.sqrt(variance), rel=0.12)


def test_a_task_and_a_run_keep_their_numbers_whatever_is_beside_them() -> None:
    tasks = several()
    found = intervals(tasks, 0, 200, 7)
    alone = intervals([replace(tasks[2], answers=tasks[2].answers[[0, 3]])], 0, 200, 7)
    for whole, part in zip(arrays(found), arrays(alone), strict=True):
        assert np.array_equal(whole[2, [0, 3]], part[0])


def test_what_a_run_did_not_do_is_not_known_and_not_in_overall() -> None:
    tasks = several()
    answers = tasks[1].answers.copy()
    answers[2] = -1
    tasks[1] = replace(tasks[1], answers=answers)
    found = intervals(tasks, 0, 100, 0)
    assert found.common == (0, 2)
    for one in arrays(found):
        assert np.isnan(one[1, 2]).all()
        assert not np.isnan(np.delete(one.reshape(16, 2), 6, axis=0)).any()
    assert found.value[3] == pytest.approx((300 * found.value[0] + 200 * found.value[2]) / 500)
    weightless = intervals([tasks[0], replace(tasks[2], weight=0.0)], 0, 100, 0)
    assert weightless.common == (0,)
    for one in arrays(weightless):
        assert np.array_equal(one[2], one[0])
    nothing = intervals([tasks[1]], 0, 100, 0)
    assert nothing.common == ()
    assert all(np.isnan(one[1]).all() for one in arrays(nothing))


def test_one_dialogue_has_no_interval() -> None:
    task = replace(several()[0], clusters=np.zeros(300, dtype=np.int64))
    found = intervals([task], 0, 50, 0)
    assert found.units == (1,)
    assert found.few == (True, True)
    assert not np.isnan(found.value).any()
    assert np.isnan([found.low, found.high, found.difference_low, found.difference_high]).all()


def seeds_of(size: int, between: float) -> tuple[Paired, list[Sequence[int]]]:
    """Two groups of runs, whose accuracy differs from seed to seed; everything else is the same."""
    rng = np.random.default_rng(5)
    parts = [made_up(rng, 1, 1_000, accuracy=0.6 + between * (at % size - size // 2)) for at in range(2 * size)]
    first = parts[0]
    truth = first.truth
    answers = [np.where(part.answers[0] == part.truth, truth, (truth + 1) % 5) for part in parts]
    return replace(first, answers=np.array(answers)), [range(size), range(size, 2 * size)]


def test_from_five_seeds_on_an_interval_counts_them() -> None:
    assert SEEDS == 5
    for size, between in product((4, 5), (0.0, 0.05)):
        task, groups = seeds_of(size, between)
        found = seed_intervals([task], groups, 0, 2_000, 0)
        singles = intervals([task], 0, 2_000, 0)
        for at, group in enumerate(groups):
            values = singles.value[0, list(group)]
            assert found.value[0, at] == pytest.approx(values.mean(axis=0))
            assert found.deviation[0, at] == pytest.approx(values.std(axis=0, ddof=1))
        assert found.value[1] == pytest.approx(found.value[0])
        draws = resample(task, 2_000, 0).draws
        fixed = (draws[:, groups[1]].mean(axis=1) - draws[:, groups[0]].mean(axis=1)).std(axis=0)
        by_seed = found.deviation[0] * np.sqrt((size - 1) / size) / np.sqrt(size)
        expected = np.sqrt(fixed**2 + (by_seed**2).sum(axis=0)) if size >= SEEDS else fixed
        half = (found.difference_high[0, 1] - found.difference_low[0, 1]) / 2
        ratio = half / expected
        # 1.96 where samples alone are drawn; up to Student's quantile at 8 degrees of freedom where seeds decide
        assert (ratio > 1.85).all()
        assert (ratio < (2.9 if size >= SEEDS else 2.1)).all()
        if size >= SEEDS and between:
            assert (half > 3 * 1.96 * fixed).all()


def test_unpaired_is_newcombes() -> None:
    def of(right: int, n: int) -> tuple[float, float, float]:
        return (right / n, *wilson(right / n, n))

    # Newcombe's table II, method 10
    low, high = unpaired(of(56, 70), of(48, 80))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
    low, high = unpaired(of(9, 10), of(3, 10))
    assert (round(low, 4), round(high, 4)) == (0.1705, 0.8090)
    low, high = unpaired(of(10, 10), of(0, 20))
    assert (round(low, 4), round(high, 4)) == (0.6791, 1.0000)


def test_the_published_leaderboard_from_the_published_values_of_tasks() -> None:
    mmla = benchmark_tasks("mmla")
    found = {}
    for model, method in dict.fromkeys((entry.model, entry.method) for entry in published()):
        values = [published_acc(model, method, name) for name in mmla]
        total = published_acc(model, method)
        if total is not None and None not in values:
            found[model, method] = (total.acc, [value.acc for value in values if value is not None])
    assert len(found) == 30
    tasks = []
    for at, (name, task) in enumerate(mmla.items()):
        n = 10_000  # as many as give published values exactly: with the test splits' sizes, 68.87 and 68.88 swap
        right = np.array([round(n * values[at] / 100) for _, values in found.values()])
        answers = np.where(np.arange(n) < right[:, None], 0, 2)
        tasks.append(Paired(name, np.zeros(n, dtype=np.int64), answers, 1, None, task.sizes["test"]))
    theirs = np.array([total for total, _ in found.values()])
    ours = 100 * intervals(tasks, 0, 2, 0).value[-1, :, 0]
    assert np.abs(ours - theirs).max() < 0.025
    assert np.argsort(ours).tolist() == np.argsort(theirs).tolist()
