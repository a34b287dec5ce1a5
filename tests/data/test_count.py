"""Rows counted without reading them as samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.data.count import count_rows

HEAD = "id\ttext\tlabel\n"


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("test.tsv", f"{HEAD}1\ta\tjoy\n2\tb\tjoy\n", 2),
        ("test.tsv", f"{HEAD}1\ta\tjoy\r\n2\tb\tjoy", 2),
        ("test.tsv", HEAD, 0),
        ("test.tsv", "", 0),
        ("test.jsonl", '{"a": 1}\n{"a": 2}\n', 2),
        ("test.json", '[{"a": 1},\n {"a": 2},\n {"a": 3}]', 3),
        ("test.json", '{"a": 1}\n{"a": 2}\n', 2),
    ],
)
def test_rows_of_each_form(tmp_path: Path, name: str, content: str, rows: int) -> None:
    (tmp_path / name).write_text(content, newline="")
    assert count_rows(tmp_path / name) == rows


def test_a_list_of_columns_stands_for_the_header(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("1\ta\tjoy\n")
    assert count_rows(tmp_path / "test.tsv", ["id", "text", "label"]) == 1
    assert count_rows(tmp_path / "test.tsv", {"text": "Words"}) == 0
