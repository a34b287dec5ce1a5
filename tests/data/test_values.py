"""Ids, labels and texts that cannot be meant: one message for each kind, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.data.samples import read_split
from orchestrator.errors import InputError
from tests.data.splits import VIDEOS, problems, read, write

HEAD = "id\ttext\tlabel\n"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("joy\u200b", "`joy<U+200B>` is not a label of MELD@\n    remove U+200B (zero width space): `joy`"),
        ("\ufeffjoy", "`<U+FEFF>joy` is not a label of MELD@\n    remove U+FEFF (zero width no-break space): `joy`"),
        ("\u200bjoi", "remove U+200B (zero width space); labels: neutral"),
        ("ｊｏｙ", "write `joy` alone, in plain letters"),
        ("emotion: Joy", "write `joy` alone, in plain letters"),
        ("Emotion：joy", "write `joy` alone, in plain letters"),
        ("joi", "did you mean `joy`? labels: neutral"),
        ("j\u043ey", "did you mean `joy`? What is there holds U+043E (cyrillic small letter o). labels: neutral"),
        ("joy" * 100, f"`{'joy' * 20}...` is not a label of MELD@\n    labels: neutral"),
    ],
)  # fmt: skip
def test_a_label_that_is_spelled_otherwise(tmp_path: Path, label: str, expected: str) -> None:
    write(tmp_path, f"{HEAD}1\tHi\t{label}\n2\tHi\tjoy\n" + "".join(f"{at}\tHi\t{label}\n" for at in range(3, 20)))
    (message,) = problems(tmp_path)
    assert message.startswith("/MELD/test.tsv:2: ")
    also = " (also on 17 more lines: 4, 5, 6, 7, 8, ...)"
    assert also in message
    assert expected in message.replace(also, "@")


def test_a_space_that_is_none(tmp_path: Path) -> None:
    write(tmp_path, f"{HEAD}1\tHi\task\u00a0for help\n", task=tasks()["MIntRec"])
    with pytest.raises(InputError) as raised:
        read_split(tasks()["MIntRec"], "test", tmp_path, VIDEOS)
    assert "`ask<U+00A0>for help` is not a label of MIntRec\n" in str(raised.value)
    assert "write a plain space for U+00A0 (no-break space): `ask for help`" in str(raised.value)


def test_an_id_that_cannot_be_seen_whole(tmp_path: Path) -> None:
    write(tmp_path, f"{HEAD}a\u200b\tHi\tjoy\na\tHi\tjoy\nb\x85c\tHi\tjoy\nd\x85\tHi\tjoy\n")
    first, second = problems(tmp_path)  # a space at the end, of whatever kind, is no part of an id
    assert first.startswith(
        "/MELD/test.tsv:2: the id `a<U+200B>` holds a character that cannot be seen\n    remove U+200B"
    )
    assert second.startswith("/MELD/test.tsv:4: the id `b<U+0085>c` holds")


def test_ids_that_repeat_are_one_problem(tmp_path: Path) -> None:
    rows = "".join(f"{at % 20}\tHi {at}\tjoy\n" for at in range(2000))
    write(tmp_path, HEAD + rows)
    (message,) = problems(tmp_path)
    assert message.startswith(
        "/MELD/test.tsv:22: ids must differ, and 1,980 of 2,000 rows have one that stood before: `0` on lines 2, 22, "
    )
    assert "data.columns: {id: NAME}" in message


def test_control_characters_in_a_text(tmp_path: Path) -> None:
    write(tmp_path, f"{HEAD}1\tIt\x92s fine\x85\tjoy\n2\tHi\tjoy\n3\tOK\x85 then\x81\tjoy\n")
    (message,) = problems(tmp_path)
    assert message.startswith(
        "/MELD/test.tsv:2: the text holds control characters: U+0081, U+0085 (meant: …), U+0092 (meant: ’) "
        "(also on line 4)\n    Windows-1252 was read as Latin-1"
    )
    assert "text.encode('latin-1').decode('cp1252')" in message
    write(tmp_path, f"{HEAD}1\tHi\x1b\tjoy\n")
    assert problems(tmp_path) == ["/MELD/test.tsv:2: the text holds control characters: U+001B\n    remove them"]


def test_what_people_do_write(tmp_path: Path) -> None:
    texts = ["a\u200d b", "line\u2028", "你\u3000好", "é 😀\ufe0f", "soft\u00adhyphen"]
    write(tmp_path, HEAD + "".join(f"{at}\t{text}\t Joy \n" for at, text in enumerate(texts)))
    assert [row[1] for row in read(tmp_path)] == texts


def test_ids_with_the_same_invisible_character_are_one_problem(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "".join(f"u\x85{at}\tHi\tjoy\n" for at in range(9)))
    (message,) = problems(tmp_path)
    assert "the id `u<U+0085>0` holds a character that cannot be seen (also on 8 more lines: 3, 4, " in message
