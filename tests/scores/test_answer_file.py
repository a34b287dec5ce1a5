"""The answers beside a results CSV."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.errors import InputError
from orchestrator.scores.answer_file import FIELDS, AnswerRow, answers_path, packed, read_answers, write_answers


def row(sample: str, answer: str | None = "it is joy", **more: Any) -> AnswerRow:
    known: Any = {"recipe": "r", "task": "MELD", "id": sample, "label": "joy", "answer": answer, "parsed": "joy"}
    return {**known, "outcome": "label", "error": None, **more}


ROWS = [
    row("dia0_utt1", '"quoted",\r\nand\x1e more'),
    row("dia0_utt2", "高兴\ud83d", parsed=None, outcome="unknown"),
    row("dia0_utt3", None, parsed=None, outcome="error", error="out of memory"),
    row("dia0_utt4", "", parsed=None, outcome="empty"),
]


def test_whatever_was_answered_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.answers.jsonl.gz"
    write_answers(path, ROWS)
    assert read_answers(path) == ROWS
    assert tuple(ROWS[0]) == FIELDS
    write_answers(path, [])
    assert read_answers(path) == []


def test_equal_rows_make_equal_bytes_whatever_the_file_is_called(tmp_path: Path) -> None:
    for name in ("a.answers.jsonl.gz", "b.answers.jsonl.gz"):
        write_answers(tmp_path / name, ROWS)
    assert (tmp_path / "a.answers.jsonl.gz").read_bytes() == (tmp_path / "b.answers.jsonl.gz").read_bytes()
    assert packed(ROWS)[3:8] == bytes(5), "neither a name nor a time"


def test_parts_are_a_file_together(tmp_path: Path) -> None:
    path = tmp_path / "r.answers.jsonl.gz"
    path.write_bytes(packed(ROWS[:1]) + packed(ROWS[2:]))
    assert read_answers(path) == ROWS[:1] + ROWS[2:]
    assert pd.read_json(path, lines=True)["id"].tolist() == ["dia0_utt1", "dia0_utt3", "dia0_utt4"]


def test_it_lies_beside_its_table() -> None:
    assert answers_path(Path("results/r.20261126.csv")) == Path("results/r.20261126.answers.jsonl.gz")


def test_damage_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.answers.jsonl.gz"
    whole = packed(ROWS)
    for content in (b"", whole[:40], b"my notes", whole[:60] + b"?" + whole[61:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read") as raised:
            read_answers(path)
        assert "writes the answers once more" in str(raised.value)
    for damage in ("{", "[]", "", json.dumps({"id": "a"})):
        path.write_bytes(gzip.compress("\n".join([json.dumps(ROWS[0]), damage, json.dumps(ROWS[0]), ""]).encode()))
        with pytest.raises(InputError, match=r"r\.answers\.jsonl\.gz:2: not a sample's answer"):
            read_answers(path)
    with pytest.raises(InputError, match="No such file"):
        read_answers(tmp_path / "none.gz")
