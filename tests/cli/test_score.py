from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.scores.results import COLUMNS
from tests.running import call


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"label": "joy", "prediction": "emotion: joy"}\n{"label": "anger", "prediction": "no idea"}\n')
    return path


def test_json_has_the_columns_of_the_results(answers: Path) -> None:
    note, printed = call("score", answers, "--task", "MELD", "--json").splitlines()
    assert note == "note: 2 rows, but the test split of MELD has 2,610 published ones"
    row = json.loads(printed)
    assert list(row) == [*COLUMNS, "file", "label_column", "answer_column", "notes"]
    assert (row["file"], row["label_column"], row["answer_column"]) == (str(answers), "label", "prediction")
    assert row["notes"] == [note.removeprefix("note: ")]
    assert (row["n"], row["acc"], row["unknown"]) == (2, 50.0, 50.0)


def test_table_with_the_overall_score(answers: Path) -> None:
    others = answers.with_name("others.csv")
    others.write_text("label;answer\nneutral;sad\n")
    said = call("score", answers, others, "--task", "MELD", "--task", "IEMOCAP").splitlines()
    notes = [line for line in said if line.startswith("note: ")]
    assert {line.split()[1] for line in notes} == {"MELD:", "IEMOCAP:"}
    said = [line for line in said if line not in notes]
    assert [line.split()[0] for line in said[:4]] == ["task", "MELD", "IEMOCAP", "overall"]
    assert said[1].split()[2] == "50.00"
    assert said[4:] == [
        f"MELD: labels from column `label`, answers from `prediction` of {answers}",
        f"IEMOCAP: labels from column `label`, answers from `answer` of {others}",
    ]


def test_no_such_split_or_task(answers: Path) -> None:
    assert "unknown split `tset`" in call("score", answers, "--task", "MELD", "--split", "tset", code=2)
    assert "did you mean `MELD`?" in call("score", answers, "--task", "MELDD", code=2)
