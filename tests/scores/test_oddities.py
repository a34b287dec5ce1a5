"""Results that say more about a mistake than about a model draw a note."""

from __future__ import annotations

import pytest

from orchestrator.scores.answers import Parser
from orchestrator.scores.oddities import oddities

LABELS = ["joy", "fear", "anger"]
TRUTH = ["joy", "fear", "joy", "anger"]


@pytest.mark.parametrize(
    ("truth", "texts", "expected"),
    [
        (TRUTH, ["joy", "fear", "anger", "anger"], []),
        (TRUTH, ["joy", "fear", "no", "anger"], []),
        (TRUTH, ["a", "b", "", "joy or fear"],
         ["4 of 4 answers name no single label (2 unknown, 1 empty, 1 multi): look at them before the scores"]),
        (TRUTH, [None] * 4,
         ["no answer names a label, every one is error: look at them before the scores"]),
        (TRUTH, ["no\n\x1b"] * 4,
         ["no answer names a label, every one is unknown: look at them before the scores",
          "all answers are the same text, `no<U+000A><U+001B>`"]),
        (TRUTH, ["\n\n"] * 4, ["no answer names a label, every one is empty: look at them before the scores"]),
        (TRUTH, ["fear", "fear!", "FEAR", "fear"], ["all answers say the same label, `fear`"]),
        (TRUTH, ["joy", "joy!", "JOY", "joy"],
         ["all answers say the same label, `joy`",
          "the accuracy is exactly that of always saying `joy`, the most frequent label"]),
        (["joy", "fear"], ["fear"] * 2,
         ["all answers are the same text, `fear`",
          "the accuracy is exactly that of always saying `fear`, the most frequent label"]),
        (TRUTH * 3, ["joy", "joy", "fear", "anger"] * 3,
         ["the accuracy is exactly that of always saying `joy`, the most frequent label"]),
        (TRUTH, ["joy", "joy", "fear", "anger"], []),  # of so few that is chance
        (["joy"] * 12, ["joy"] * 12, []),  # nothing else was to be said
        (TRUTH * 10, ["no"] * 36 + ["x", "joy", "joy", "anger"],
         ["37 of 40 answers name no single label (37 unknown): look at them before the scores"]),
        (["joy"], ["joy"], []),
    ],
)  # fmt: skip
def test_odd_results(truth: list[str], texts: list[str | None], expected: list[str]) -> None:
    assert oddities(truth, [Parser(LABELS).parse(text) for text in texts], texts) == expected
