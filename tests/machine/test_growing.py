"""Logs that grow while somebody reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.machine import growing
from orchestrator.machine.growing import Growing, readable


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"epoch 1\tloss 0.5  ", "epoch 1\tloss 0.5"),
        (b"\r 10%|#   | 1/10\r 20%|##  | 2/10", " 20%|##  | 2/10"),
        (b"\r 10%|#   | 1/10\r100%|####| 10/10\r", "100%|####| 10/10"),
        (b"\x1b[32mok\x1b[0m \x1b]0;a title\x07done\x1b[A", "ok done"),
        (b"a\x00b\x07c\x9d", "abc\N{REPLACEMENT CHARACTER}"),
        ("情感分析\N{NO-BREAK SPACE}\x9b".encode(), "情感分析"),
        (b"", ""),
    ],
)
def test_a_line_as_people_read_it(line: bytes, expected: str) -> None:
    assert readable(line) == expected


def test_lines_come_once_they_are_complete(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    log = Growing(path)
    assert (log.new(), log.state) == ([], "")
    path.write_bytes(b"one\ntw")
    assert (log.new(), log.state) == (["one"], "tw")
    with path.open("ab") as file:
        file.write(b"o\n\n10%\r20%")
    assert (log.new(), log.state) == (["two", ""], "20%")
    assert (log.new(), log.state) == ([], "20%")
    with path.open("ab") as file:
        file.write(b"\r30%\r")
    assert (log.new(), log.state) == ([], "30%")


def test_a_letter_that_is_half_there_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    text = "情\n".encode()
    path.write_bytes(text[:2])
    log = Growing(path)
    assert log.new() == []
    path.write_bytes(text)
    assert log.new() == ["情"]


def test_another_file_in_its_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("one\ntwo")
    log = Growing(path)
    assert log.new() == ["one"]
    (tmp_path / "other").write_text("uno\ndos\ntres\n")
    (tmp_path / "other").replace(path)
    assert log.new() == ["uno", "dos", "tres"]
    path.write_text("I\n")
    assert log.new() == ["I"]
    path.unlink()
    assert log.new() == []


@given(st.lists(st.text("ab", max_size=5), max_size=12), st.integers(1, 14), st.booleans(), st.integers(1, 9))
def test_it_begins_with_the_last_lines(tmp_path: Path, content: list[str], count: int, ends: bool, block: int) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"{line}\n" for line in content) + ("" if ends else "rest"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "BLOCK_BYTES", block)
        log = Growing(path, count)
    everything = [*content, *([] if ends else ["rest"])]
    assert [*log.new(), *filter(None, [log.state])] == everything[-count:]


def test_lines_without_end_are_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"begin\n" + b"\r 10%" * 100)
    monkeypatch.setattr(growing, "BLOCK_BYTES", 64)
    monkeypatch.setattr(growing, "MOST_BYTES", 128)
    log = Growing(path, 3)
    assert (log.new(), log.state) == ([], " 10%")
