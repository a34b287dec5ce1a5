from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.benchmark.task import tasks
from orchestrator.scores.answers import Answer, Parser
from tests.shared import GOLDEN


def test_golden_parse_cases() -> None:
    cases = json.loads((GOLDEN / "parse_cases.json").read_text())
    assert len(cases) == 40
    for case in cases:
        assert case["rc"] == 0
        assert Parser(case["labels"]).parse(case["pred_raw"]).scored_as == case["parsed"], case


# the release crashes on these in a CSV (pandas reads a missing value) and scores them unknown in a JSONL file;
# here they are texts without a label, in every kind of file
@pytest.mark.parametrize(
    "text", ["None", "nan", "NaN", "NA", "N/A", "n/a", "NULL", "null", "<NA>", '"', "\n\"'", "积极"]
)
def test_texts_that_crash_the_release_are_unknown(text: str) -> None:
    assert Parser(tasks()["MELD"].labels).parse(text) == Answer(None, "unknown")


def test_empty_and_missing_are_told_apart_but_scored_unknown() -> None:
    parser = Parser(["joy"])
    for blank in ("", " ", "\n\t ", "\u3000"):
        assert parser.parse(blank) == Answer(None, "empty")
    assert parser.parse(None) == Answer(None, "error")
    assert parser.parse("").scored_as == parser.parse(None).scored_as == "unknown"
    assert parser.parse("Emotion: JOY!") == Answer("joy", "label")


def test_labels_keep_the_spelling_of_the_list() -> None:
    assert Parser(["Ask for Help"]).parse("ask FOR help").label == "Ask for Help"


def test_an_empty_label_is_refused() -> None:
    with pytest.raises(ValueError, match="empty label"):
        Parser(["joy", " "])


def naive(text: str, labels: list[str]) -> str:
    """The released rule, as plainly as it can be written."""
    found = [label for label in labels if re.search(rf"(?<!\w){re.escape(label.lower())}(?!\w)", text.lower())]
    return "unknown" if not found else found[0] if len(found) == 1 else "multi"


@given(st.text())
def test_no_text_crashes_the_parser(text: str) -> None:
    for task in tasks().values():
        assert Parser(task.labels).parse(text).scored_as == naive(text, list(task.labels))


# labels inside labels, several words, edges that are no word characters, letters that change length in lower case
WORDS = [
    "agree",
    "agreement",
    "dis",
    "-",
    " ",
    "help",
    "ask for",
    ".",
    "é",
    "İ",
    "ß",
    "1",
    "-1.0",
    "_",
    "\n",
    "好",
    "[",
]
_LABELS = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("".join).filter(str.strip),
    min_size=1, max_size=6, unique_by=str.lower,
)  # fmt: skip


@given(_LABELS, st.lists(st.sampled_from(WORDS), max_size=8).map("".join))
def test_equals_the_naive_rule(labels: list[str], text: str) -> None:
    answer = Parser(labels).parse(text)
    assert answer.scored_as == naive(text, labels)
    assert (answer.label is not None) == (answer.outcome == "label")


def test_a_label_that_was_chosen_counts_as_it_is() -> None:
    """A text may name others, too; what a file says may be no label of the task."""
    read = Parser(["sad", "very sad"]).read
    assert read({"text": "emotion: very sad", "label": "very sad"}) == Answer("very sad", "label")
    assert read({"text": "emotion: very sad"}) == Answer(None, "multi")
    assert read({"text": "emotion: sad", "label": "glad"}) == Answer("sad", "label")
    assert read({"text": "emotion: sad", "label": None}) == Answer("sad", "label")
    assert read({"text": "emotion: sad", "label": ["sad"]}) == Answer("sad", "label")
    assert read({"error": "no video"}) == Answer(None, "error")
