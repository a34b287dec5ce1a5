"""Whatever runs answered: tests and intervals give numbers that can be, and the same ones again."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.scores.compare.intervals import intervals
from orchestrator.scores.compare.paired import Paired
from orchestrator.scores.compare.significance import accuracy_test, discordant, f1_test, smallest_between

LABELS = 3


@st.composite
def tasks(draw: st.DrawFn) -> Paired:
    n = draw(st.integers(1, 25))
    truth = draw(st.lists(st.integers(0, LABELS - 1), min_size=n, max_size=n))
    said = st.lists(st.integers(0, LABELS + 1), min_size=n, max_size=n)
    clusters = draw(st.one_of(st.none(), st.lists(st.integers(-2, 5), min_size=n, max_size=n)))
    codes = None if clusters is None else np.array(clusters)
    return Paired("T", np.array(truth), np.array([draw(said), draw(said)]), LABELS, codes, 1.0)


@settings(max_examples=150)
@given(tasks(), st.integers(0, 2**32))
def test_numbers_that_can_be(task: Paired, seed: int) -> None:
    accuracy, f1 = accuracy_test(task, 0, 1), f1_test(task, 0, 1, 19, seed)
    assert 0 < accuracy.p <= 1
    assert 1 / 20 <= f1.p <= 1
    assert accuracy == accuracy_test(task, 1, 0)
    least, net = smallest_between(task, 0, 1), abs(int(np.subtract(*discordant(task, 0, 1))))
    # what the test calls significant is at least the smallest that it can
    assert (accuracy.p <= 0.05) == (least is not None and net >= least)
    found = intervals([task, task], 0, 30, seed)
    assert not np.isnan(found.value).any()
    assert np.array_equal(found.value[2], found.value[0])
    for low, high, least_value in (
        (found.low, found.high, 0.0),
        (found.difference_low, found.difference_high, -1.0),
    ):
        if task.units == 1:
            assert np.isnan(low).all()
            assert np.isnan(high).all()
            continue
        assert (low <= high + 1e-12).all()
        assert (low >= least_value - 1e-12).all()
        assert (high <= 1 + 1e-12).all()
    assert found.few[0] == (task.units < 40)
    assert all(math.isnan(value) for value in found.deviation.ravel())
