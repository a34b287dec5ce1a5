"""``scores.json``: what is kept of a scoring reads back as it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from orchestrator.errors import StageError
from orchestrator.run.entries import Entry, Provenance, Scoring, read_entries, write_entries
from orchestrator.scores import metrics
from orchestrator.scores.answers import Parser

ANSWERS = [Parser(["joy", "fear"]).parse(text) for text in ("joy", "fear", "well")]


def entry() -> Entry:
    return Entry(
        row=Scoring(run_id="1", git_commit="a", created_at="2026-11-26T00:15:44+00:00", infer_seconds=8.0),
        scores=metrics.score(["joy", "joy", "fear"], ANSWERS, ["joy", "fear"]),
        notes=["odd: \ud800"],
        replaces=["0"],
        utterances="d3b8a936",
        prompt=None,
        stages=Provenance("checkpoint-10", 0.1, 0, {"test": 1}),
    )


def test_entries_read_back(tmp_path: Path) -> None:
    write_entries(tmp_path, [entry(), entry()])
    found = read_entries(tmp_path)
    assert found == [entry(), entry()]
    assert found[0].scores.exact == entry().scores.exact


def test_those_of_an_earlier_version_which_said_the_scores_twice(tmp_path: Path) -> None:
    old = json.loads(json.dumps(entry().model_dump()))
    old["row"] = {**entry().scores.as_row(), "majority": 66.67, **old["row"]}
    del old["replaces"]
    assert asdict(entry().scores)["acc"] == old["row"]["acc"]
    (tmp_path / "scores.json").write_text(json.dumps([old]))
    assert read_entries(tmp_path) == [entry().model_copy(update={"replaces": []})]


@pytest.mark.parametrize("content", [None, "", "[]x", "null", "{}", "[null]", "[{}]", "3"])
def test_damaged_ones_are_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "scores.json").write_text(content)
    with pytest.raises(StageError, match="is not what the stage wrote"):
        read_entries(tmp_path)
