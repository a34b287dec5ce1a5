"""The stage that scores: any answer's text is kept, and reads back as what was scored."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.benchmark.task import tasks
from orchestrator.data.samples import Sample
from orchestrator.run.stages.score import Scored, score_task
from orchestrator.scores.files import score_file
from orchestrator.scores.records import read_records
from tests.run.place import Place

MELD = tasks()["MELD"]
PIECES = ["joy", "fear", "\ud800", "\udfff", "\ud83d\ude00", "\0", "\x1b[2J", "\x85", "\x9b", "\ufeff", "\u2028",
          "\r", "\n", '"', ",", "\u202e", " ", "_", "None", "nan", "\u200b", "\u3000",
          "情感是", "ſ", "İ", "\\ud800"]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.characters(codec=None), max_size=6).map("".join)
predictions = st.one_of(texts.map(lambda text: {"text": text}), texts.map(lambda text: {"error": f"failed: {text}"}))


def scored(folder: Path, given: list[dict[str, Any]]) -> tuple[Scored, list[dict[str, Any]]]:
    """What the stage says of these answers to MELD, whose truth is always joy, and what its table says."""
    samples = [Sample(str(at), "MELD", "test", "?", "joy", None) for at in range(len(given))]
    answers = {f"MELD/{at}": prediction for at, prediction in enumerate(given)}
    return score_task(folder, MELD, samples, answers), [
        dict(row.fields) for row in read_records(folder / "MELD.answers.jsonl.gz").rows
    ]


@settings(deadline=None)
@given(st.lists(predictions, min_size=1, max_size=5))
def test_any_answer_reads_back_as_it_was_scored(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    entry, table = scored(tmp_path, given)
    assert len(table) == len(given)
    for prediction, row in zip(given, table, strict=True):
        # of two halves in a row JSON makes the whole
        assert row["answer"] == json.loads(json.dumps(prediction.get("text")))
    (again,) = score_file(tmp_path / "MELD.answers.jsonl.gz", MELD)
    assert again.scores == entry.scores
    json.loads(json.dumps(entry.notes))


@pytest.mark.parametrize("text", ["\ud800joy\udfff", "joy\rfear", "\0joy", "\ufeffjoy", "x" * 10_000_000 + " joy"])
def test_texts_that_crashed_or_were_lost(tmp_path: Path, text: str) -> None:
    entry, table = scored(tmp_path, [{"text": text}, {"text": "joy"}])
    assert [row["id"] for row in table[1:]] == ["1"]
    assert table[0]["parsed"] == (None if "fear" in text else "joy")
    (again,) = score_file(tmp_path / "MELD.answers.jsonl.gz", MELD)
    assert again.row["acc"] == entry.scores.acc == (50 if "fear" in text else 100)


def test_pandas_reads_the_table(tmp_path: Path) -> None:
    scored(tmp_path, [{"text": "a\rjoy"}, {"text": "\ud800joy\u2028"}, {"error": "gone"}])
    table = pd.read_json(tmp_path / "MELD.answers.jsonl.gz", lines=True)
    assert table["answer"].tolist()[:2] == ["a\rjoy", "joy\u2028"], "pandas has no half pairs"
    assert table["outcome"].tolist() == ["label", "label", "error"]


def test_odd_answers_draw_a_note_in_every_run(place: Place, data: Path) -> None:
    # without any training the toolkit always says the same
    place = Place(place.folder, data, method="zero_shot")
    note = "note: demo: all answers are the same text, `statement (0 seen)`"
    assert note in place.run()
    assert note in place.run()


def sure_of(label: str, share: float) -> dict[str, Any]:
    """A prediction that gives a label a probability, and the others alike what is left."""
    rest = math.log((1 - share) / (len(MELD.labels) - 1))
    scores = {one: math.log(share) if one == label else rest for one in MELD.labels}
    return {"text": f"emotion: {label}", "label": label, "logprobs": scores}


def test_probabilities_are_kept_and_scored(tmp_path: Path) -> None:
    given = [sure_of("joy", 0.9), sure_of("fear", 0.6), {"error": "no video"}]
    entry, table = scored(tmp_path, given)
    assert entry.confidence is not None
    assert entry.confidence.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.4 / 6)) / 2)
    assert entry.confidence.ece == pytest.approx((0.1 + 0.6) / 2)
    assert entry.confidence.aurc == pytest.approx((0 + 1 / 2) / 2)
    assert (entry.scores.n, entry.scores.error) == (3, 33.33), "without an answer it is wrong, not unsure"
    assert [list(row.get("logprobs", {})) for row in table] == [list(MELD.labels)] * 2 + [[]]
    (again,) = score_file(tmp_path / "MELD.answers.jsonl.gz", MELD)
    assert again.scores == entry.scores
    assert {name: again.row[name] for name in ("log_loss", "brier", "ece", "aurc")} == entry.confidence.as_row()


@pytest.mark.parametrize(
    "odd", [{"text": "joy"}, {"text": "joy", "logprobs": {"joy": -1}}, {"text": "joy", "logprobs": 3}]
)
def test_without_all_probabilities_there_are_no_such_scores(tmp_path: Path, odd: dict[str, Any]) -> None:
    entry, table = scored(tmp_path, [sure_of("joy", 0.9), odd])
    assert entry.confidence is None
    assert "logprobs" not in table[1]
    (again,) = score_file(tmp_path / "MELD.answers.jsonl.gz", MELD)
    assert again.row["ece"] is None
    assert again.scores == entry.scores
