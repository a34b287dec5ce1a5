"""Scores by label, and what was taken for what."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from orchestrator.scores.answers import Parser
from orchestrator.scores.metrics import score
from orchestrator.scores.report import OTHERS, Report

LABELS = ("joy", "anger", "fear")
SAID = {"joy": "it is joy", "unknown": "no idea", "multi": "joy or fear", "empty": " ", "error": None,
        "cut_off": "<think>fear, or"}  # fmt: skip


def report(*pairs: tuple[str, str | None]) -> Report:
    parse = Parser(LABELS).parse
    return Report.of([true for true, _ in pairs], [parse(text) for _, text in pairs], LABELS)


def test_each_outcome_has_its_column() -> None:
    found = report(*(("anger", text) for text in SAID.values()), ("joy", "JOY"))
    assert found.classes == [*LABELS, *OTHERS]
    assert found.row("anger") == {"anger": 0, "fear": 0, **dict.fromkeys(("joy", *OTHERS), 1)}
    assert OTHERS == ("unknown", "multi", "empty", "error", "cut_off")
    assert found.row("joy") == dict.fromkeys(found.classes, 0) | {"joy": 1}
    assert found.mistakes() == [("anger", name, 1) for name in ("joy", *OTHERS)]


def test_scores_by_label_are_scikit_learns() -> None:
    chance = random.Random(3)
    texts = [*LABELS, *SAID.values()]
    pairs = [(chance.choice(LABELS), chance.choice(texts)) for _ in range(400)]
    found = report(*pairs)
    parse = Parser(LABELS).parse
    truth, said = [true for true, _ in pairs], [parse(text).label or "other" for _, text in pairs]
    expected = precision_recall_fscore_support(truth, said, labels=list(LABELS), zero_division=0)
    for at, one in enumerate(found.by_label()):
        rates = (one.precision, one.recall, one.f1)
        assert rates == pytest.approx([100 * values[at] for values in expected[:3]], abs=0.005)
        assert one.support == expected[3][at]
        assert one.predicted == said.count(one.label)
    matrix = confusion_matrix(truth, said, labels=list(LABELS))
    assert [[found.row(true)[name] for name in LABELS] for true in LABELS] == matrix.tolist()
    scores = score(truth, [parse(text) for _, text in pairs], LABELS)
    assert sum(one.f1 for one in found.by_label()) / 3 == pytest.approx(scores.f1_labels, abs=0.01)


def test_labels_outside_the_list_stand_behind_it_and_a_label_that_never_occurs_counts_zero() -> None:
    found = report(("sad", "joy"), ("joy", "joy"))
    by_label = {one.label: one for one in found.by_label()}
    assert list(by_label) == [*LABELS, "sad"]
    assert vars(by_label["sad"]) == {"label": "sad", "support": 1, "predicted": 0} | dict.fromkeys(
        ("precision", "recall", "f1"), 0.0
    )
    assert (by_label["fear"].support, by_label["fear"].f1) == (0, 0.0)
    assert found.as_json()["confusion"]["sad"]["joy"] == 1
