"""Atomic writes, digests, journals."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.machine.files import (
    allow_long_fields,
    atomic_open,
    atomic_write,
    digest,
    read_json,
    read_jsonl,
    text_of_cell,
    write_csv,
    write_json,
)
from orchestrator.plan.keys import key_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


def test_atomic_write_replaces_or_leaves(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    atomic_write(path, "first")
    atomic_write(path, b"second")
    assert path.read_text() == "second"
    with pytest.raises(TypeError), atomic_open(path) as file:
        file.writelines(["third", 4])  # type: ignore[list-item]
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_written(tmp_path: Path, text: str) -> None:
    proper = re.sub("[\ud800-\udfff]", "\ufffd", text)
    atomic_write(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_bytes().decode() == proper
    write_csv(tmp_path / "a.csv", [["id", text, None], [text]])
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.reader(file, strict=True))
    assert [list(map(text_of_cell, row)) for row in read] == [["id", proper, ""], [proper]]
    value = {text: [text]}
    write_json(tmp_path / "a.json", value)
    # of two halves in a row JSON makes the whole
    assert read_json(tmp_path / "a.json") == json.loads(json.dumps(value))


def test_what_is_no_regular_file_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        atomic_write(pipe, "said")
        assert reader.stdout is not None
        assert reader.stdout.read() == "said"
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    atomic_write(link, "said")
    assert link.is_symlink()
    assert target.read_text() == "said"
    with pytest.raises(IsADirectoryError):
        atomic_write(tmp_path, "said")


@given(JSON)
def test_digest_ignores_key_order(value: object) -> None:
    again = json.loads(json.dumps(value))
    assert digest(value) == digest(again)
    if isinstance(value, dict):
        assert digest(value) == digest(dict(reversed(value.items())))
    assert len(key_of(value)) == 12


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\xff", "9" * 5000])
def test_damaged_json_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    assert read_json(tmp_path / "a.json") is None


def test_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "b", "text": "tor')
    assert [entry["id"] for entry in read_jsonl(path)] == ["a"]


def test_threads_write_the_same_file_at_once(tmp_path: Path) -> None:
    """Of what each writes something stands there whole; none hinders another, and nothing is left beside it."""
    path, texts = tmp_path / "file.txt", [str(number) * 50_000 for number in range(4)]

    def write(text: str) -> None:
        for _ in range(6):
            atomic_write(path, text)
            assert path.read_text() in texts

    with ThreadPoolExecutor(4) as pool:
        for written in [pool.submit(write, text) for text in texts]:
            written.result()
    assert list(tmp_path.iterdir()) == [path]


def test_the_length_of_fields_is_never_limited_again() -> None:
    before = csv.field_size_limit(1000)
    try:
        allow_long_fields()
        assert next(csv.reader(["x" * 200_000])) == ["x" * 200_000]
    finally:
        csv.field_size_limit(before)
