from __future__ import annotations

import csv
import json
import math
import random
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from orchestrator.benchmark.task import benchmark_tasks, tasks
from orchestrator.scores.answers import EMPTY, ERROR, MULTI, UNKNOWN, Answer, Parser
from orchestrator.scores.metrics import classification, overall, score, wilson
from tests.shared import GOLDEN_SETS, MMLA, needs_mmla

GOLDEN_NAMES = {"ACC": "acc", "F1": "f1", "Precision": "precision", "Recall": "recall", "WF1": "wf1", "WP": "wp"}


def right(label: str) -> Answer:
    return Answer(label, "label")


@pytest.mark.parametrize("expected", GOLDEN_SETS)
def test_golden_metrics(expected: Path) -> None:
    for case in json.loads(expected.read_text()):
        file = next((expected.parent / case["name"]).glob("*.csv"))
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        task = tasks()[case["dataset"]]
        truth = [row["Label"].split(":")[1].strip().lower() for row in rows]
        answers = [Parser(task.labels).parse(row["Pred"]) for row in rows]
        if "parsed" in case:
            assert [[a.scored_as, t] for a, t in zip(answers, truth, strict=True)] == case["parsed"]
        scores = score(truth, answers, task.labels)
        assert {golden: getattr(scores, ours) for golden, ours in GOLDEN_NAMES.items()} == case["metrics"], case["name"]
        assert scores.n == case["n"]
        if "unknown" in case:
            assert sum(a.outcome == "unknown" for a in answers) == case["unknown"]
            assert sum(a.outcome == "multi" for a in answers) == case["multi"]


_CLASSES = st.sampled_from(["a", "b", "c", "unknown", "multi"])


@given(st.lists(st.tuples(_CLASSES, _CLASSES), min_size=1, max_size=60), st.sets(_CLASSES, min_size=1))
def test_equals_scikit_learn(pairs: list[tuple[str, str]], listed: set[str]) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    union, labels = sorted({*truth, *predicted}), sorted(listed)
    ours = classification(truth, predicted, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        macro = precision_recall_fscore_support(truth, predicted, labels=union, average="macro", zero_division=0)
        weighted = precision_recall_fscore_support(truth, predicted, labels=union, average="weighted", zero_division=0)
        listed_f1 = precision_recall_fscore_support(truth, predicted, labels=labels, average="macro", zero_division=0)
    expected = {
        "acc": accuracy_score(truth, predicted), "precision": macro[0], "recall": macro[1], "f1": macro[2],
        "wp": weighted[0], "wf1": weighted[2], "f1_labels": listed_f1[2],
    }  # fmt: skip
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert math.isclose(ours[name], float(value), abs_tol=1e-9), name


def test_rates_are_disjoint_and_nothing_is_dropped() -> None:
    truth = ["a", "a", "a", "a", "b", "b"]
    scores = score(truth, [right("a"), UNKNOWN, MULTI, EMPTY, ERROR, right("b")], ["a", "b", "c"])
    assert (scores.n, scores.correct, scores.acc) == (6, 2, 33.33)
    assert (scores.unknown, scores.multi, scores.empty, scores.error) == (16.67, 16.67, 16.67, 16.67)
    assert scores.majority == 66.67
    # a: P 1, R 1/4, F 2/5; b: P 1, R 1/2, F 2/3; union has unknown and multi too, the list has c
    assert scores.f1 == round(100 * (2 / 5 + 2 / 3) / 4, 2)
    assert scores.f1_labels == round(100 * (2 / 5 + 2 / 3) / 3, 2)
    assert list(scores.as_row())[:2] == ["n", "acc"]


def test_nothing_to_score() -> None:
    with pytest.raises(ValueError, match="at least one"):
        score([], [], ["a"])
    with pytest.raises(ValueError, match="as many of both"):
        score(["a"], [], ["a"])


def test_wilson() -> None:
    # R: prop.test(81, 263, correct = FALSE), Newcombe's (1998) example
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 10)[0] == 0
    assert wilson(1, 10)[1] == pytest.approx(1)


@given(st.integers(1, 500), st.data())
def test_interval_holds_the_score(n: int, data: st.DataObject) -> None:
    x = data.draw(st.integers(0, n))
    scores = score(["a"] * n, [right("a")] * x + [UNKNOWN] * (n - x), ["a"])
    assert 0 <= scores.acc_ci_low <= scores.acc <= scores.acc_ci_high <= 100
    alone = overall([scores], [123])
    assert (alone.acc, alone.acc_ci_low, alone.acc_ci_high) == (scores.acc, scores.acc_ci_low, scores.acc_ci_high)


def test_overall_is_weighted_by_published_size() -> None:
    good, bad = score(["a"] * 2, [right("a")] * 2, ["a"]), score(["a"] * 4, [UNKNOWN] * 4, ["a"])
    both = overall([good, bad], [900, 100])
    assert (both.acc, both.n, both.correct, both.unknown) == (90.0, 6, 2, 10.0)
    assert both.acc_ci_low < 90 < both.acc_ci_high
    with pytest.raises(ValueError, match="at least one task"):
        overall([], [])


def test_overall_interval_covers() -> None:
    rng = random.Random(3)
    strata = [(0.9, 2000, 200), (0.5, 300, 30), (0.2, 1000, 40), (0.99, 1500, 60)]  # rate, published size, rows read
    total = sum(size for _, size, _ in strata)
    true = 100 * sum(rate * size for rate, size, _ in strata) / total
    covered = 0
    for _ in range(400):
        parts = []
        for rate, _, n in strata:
            hits = sum(rng.random() < rate for _ in range(n))
            parts.append(score(["a"] * n, [right("a")] * hits + [UNKNOWN] * (n - hits), ["a"]))
        scores = overall(parts, [size for _, size, _ in strata])
        covered += scores.acc_ci_low <= true <= scores.acc_ci_high
    assert 0.92 <= covered / 400 <= 0.99


@needs_mmla
def test_overall_reproduces_the_leaderboard() -> None:
    """The published per-task accuracies, weighted as ``overall`` does, give the published overall ones."""
    published: dict[tuple[str, str], dict[str, float]] = {}
    with (MMLA / "paper_results.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["metric"] == "ACC":
                published.setdefault((row["model"], row["method"]), {})[row["dataset"]] = float(row["value"])
    found, checked = benchmark_tasks("mmla"), 0
    for scores in published.values():
        if not scores.keys() >= {*found, "ALL (test-size-weighted)"}:
            continue
        parts = []
        for task in found.values():
            n = task.sizes["test"]
            hits = round(n * scores[task.name] / 100)
            parts.append(score(["a"] * n, [right("a")] * hits + [UNKNOWN] * (n - hits), ["a"]))
        acc = overall(parts, [task.sizes["test"] for task in found.values()]).acc
        assert acc == pytest.approx(scores["ALL (test-size-weighted)"], abs=0.025)
        checked += 1
    assert checked == 30
