"""Scores of probabilities, beside scikit-learn's and beside their definitions by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from orchestrator.scores.confidence import (
    Confidence,
    calibration_error,
    confidence,
    log_shares,
    overall,
    risk_coverage,
    scores_of,
)

LABELS = ["joy", "sad", "中性"]
SAMPLES = st.lists(
    st.tuples(st.sampled_from(LABELS), st.tuples(*[st.floats(-50, 0) for _ in LABELS])), min_size=1, max_size=40
)


def shares(scores: tuple[float, ...]) -> np.ndarray:
    whole = np.exp(np.array(scores) - max(scores))
    return np.asarray(whole / whole.sum())


@given(SAMPLES)
def test_beside_scikit_learn_and_the_definitions(samples: list[tuple[str, tuple[float, ...]]]) -> None:
    truth = [label for label, _ in samples]
    found = confidence(truth, [dict(zip(LABELS, scores, strict=True)) for _, scores in samples])
    table = np.array([shares(scores) for _, scores in samples])
    places = np.array([LABELS.index(label) for label in truth])
    assert found.log_loss == pytest.approx(-np.log(table[range(len(truth)), places]).mean(), rel=1e-9, abs=1e-12)
    if table.min() > 1e-14:  # scikit-learn cuts what is smaller
        order = np.argsort(LABELS)
        theirs = log_loss(truth, table[:, order], labels=[LABELS[at] for at in order])
        assert found.log_loss == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    true = np.eye(len(LABELS))[places]
    assert found.brier == pytest.approx(((table - true) ** 2).sum(1).mean(), rel=1e-9, abs=1e-12)
    assert 0 <= found.brier <= 2
    assert 0 <= found.ece <= 1
    assert 0 <= found.aurc <= 1


def test_calibration_error_by_hand() -> None:
    # 15 bins of equal width: 0.61 and 0.65 lie in the tenth (0.6, 0.667], 0.95 in the last
    sure = [(0.61, True), (0.65, False), (0.95, True), (0.95, True)]
    assert calibration_error(sure) == pytest.approx((abs(0.61 + 0.65 - 1) + abs(0.95 + 0.95 - 2)) / 4)
    assert calibration_error([(1.0, True)] * 3) == 0
    assert calibration_error([(1.0, False)] * 3) == 1
    # an end of a bin belongs to the bin below: 0.2 is in (2/15, 3/15]
    assert calibration_error([(0.2, True), (0.14, False)]) == pytest.approx(abs(0.2 + 0.14 - 1) / 2)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=60))
def test_calibration_error_by_numpy(sure: list[tuple[float, bool]]) -> None:
    share, right = (np.array(column, dtype=float) for column in zip(*sure, strict=True))
    edges = np.arange(1, 15) / 15
    if np.abs(share[:, None] - edges).min() < 1e-9:
        return  # on an edge rounding decides
    bins = np.digitize(share, edges, right=True)
    expected = sum(
        (bins == at).mean() * abs(right[bins == at].mean() - share[bins == at].mean()) for at in set(bins.tolist())
    )
    assert calibration_error(sure) == pytest.approx(expected, abs=1e-12)


def test_risk_coverage_by_hand() -> None:
    # the most confident one alone: no risk; two: half; three: a third
    assert risk_coverage([(0.9, True), (0.8, False), (0.7, True)]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    assert risk_coverage([(0.5, True)] * 4) == 0
    assert risk_coverage([(0.5, False)] * 4) == 1


@given(st.lists(st.tuples(st.sampled_from([0.4, 0.5, 0.9]), st.booleans()), min_size=1, max_size=6))
def test_equal_confidence_is_a_random_order(sure: list[tuple[float, bool]]) -> None:
    """The mean over all orders of those that are equally confident."""
    from itertools import permutations

    total, count = 0.0, 0
    for order in permutations(sure):
        if [share for share, _ in order] == sorted((share for share, _ in sure), reverse=True):
            wrong = np.cumsum([not right for _, right in order])
            total += float((wrong / np.arange(1, len(order) + 1)).mean())
            count += 1
    assert risk_coverage(sure) == pytest.approx(total / count)


def test_a_true_label_that_the_list_lacks() -> None:
    found = confidence(["gone"], [{"joy": 0.0, "sad": 0.0}])
    assert found.log_loss == pytest.approx(52 * math.log(2))
    assert found.brier == pytest.approx(0.25 + 0.25 + 1)
    assert (found.ece, found.aurc) == (0.5, 1.0)


def test_equal_scores_are_equal_wherever_they_lie() -> None:
    # half each, at values whose digits differ
    assert confidence(["b", "a"], [{"a": -3.3, "b": -3.3}, {"a": -1.0, "b": -1.0}]).aurc == 0.5
    found = {confidence(["a", "a"], [dict.fromkeys("abc", at), {"a": math.log(0.36), "b": math.log(0.64)}]).ece
             for at in (0.0, -3.3, -9.25, -1e5)}  # fmt: skip
    assert len(found) == 1


def test_very_unlike_scores() -> None:
    assert log_shares({"a": 0.0, "b": -5000.0}) == {"a": 0.0, "b": -5000.0}
    assert confidence(["b"], [{"a": 0.0, "b": -5000.0}]).log_loss == 5000


def test_what_a_file_may_hold() -> None:
    assert scores_of({"sad": -1, "joy": -2.5}, ["joy", "sad"]) == {"joy": -2.5, "sad": -1.0}
    broken = [{"joy": -1, "sad": value} for value in (None, "x", True, math.nan, math.inf)]
    for wrong in (None, "{}", [], {"joy": -1}, {"joy": -1, "sad": -1, "more": -1}, *broken):
        assert scores_of(wrong, ["joy", "sad"]) is None, wrong


def test_overall_is_weighted_and_whole() -> None:
    one, two = Confidence(1, 0.5, 0.1, 0.2), Confidence(2, 1.5, 0.3, 0.6)
    both = overall([one, two], [1, 3])
    assert both is not None
    assert both.as_row() == {"log_loss": 1.75, "brier": 1.25, "ece": 25, "aurc": 50}
    assert overall([one, None], [1, 3]) is None
    assert one.as_row() == {"log_loss": 1, "brier": 0.5, "ece": 10, "aurc": 20}
    with pytest.raises(ValueError, match="0 true labels"):
        confidence([], [])
