"""Files of answers, in whatever shape they come."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.scores.files import score_file
from orchestrator.scores.results import COLUMNS

MELD = tasks()["MELD"]
PAIRS = [("emotion: joy", "joy"), ("joy or fear", "fear"), ("dunno", "anger"), ("", "neutral")]


def as_table(pairs: list[tuple[str, str]], answer: str, label: str, separator: str) -> str:
    rows = [f'"{a}"{separator}emotion: {t}' for a, t in pairs]
    return "\n".join([f"{answer}{separator}{label}", *rows])


@pytest.mark.parametrize(
    "content",
    [
        as_table(PAIRS, "Pred", "Label", ","),
        as_table(PAIRS, "prediction", "truth", "\t"),
        "\ufeff" + as_table(PAIRS, "Response", "Emotion", ",").replace("\n", "\r\n"),
        "\n\n".join(json.dumps({"prompt": "?", "predict": a, "label": t}) for a, t in PAIRS),
        "\n".join(json.dumps({"response": a, "labels": f"emotion: {t.title()}", "history": []}) for a, t in PAIRS),
        json.dumps([{"output": a, "reference": t, "text": "x"} for a, t in PAIRS], indent=2),
    ],
)
def test_shapes_of_files(tmp_path: Path, content: str) -> None:
    file = tmp_path / "answers"
    file.write_bytes(content.encode())
    row = score_file(file, MELD)[0].row
    assert list(row) == list(COLUMNS)
    found = [row[name] for name in ("task", "n", "acc", "unknown", "multi", "empty", "error")]
    assert found == ["MELD", 4, 25.0, 25.0, 25.0, 25.0, 0.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ("Pred,Label\n", "no rows"),
        ("[]", "no rows"),
        ('Pred,Label\njoy,joy\n"joy,joy\n', ":3: not a valid table"),
        ("Pred,Label\njoy\n", ":2: 1 fields, the header has 2"),
        ("Pred,Label\njoy,\n", ":2: no label in column `Label`"),
        ('{"predict": "joy", "label": "joy"}\n{"predict":', ":2:12: not valid JSON: Expecting value"),
        ('{"predict": "joy", "label": "joy"}\n3', ":2: not a JSON object"),
        ('{"label": NaN, "predict": "joy"}', ":1: no label in column `label`"),
        ("[1]", "holds no JSON objects"),
        ("[" + "3, " * 50 + '{"predict": "joy"}]', ":20: not a JSON object"),
        ("[{]", "not valid JSON"),
        ("{}", "which column holds the label"),
        ("\xff", "not UTF-8"),
        ("label,predict\njoy,\xe9\n", ":2: not UTF-8 text: byte 0xe9"),
        ("label,predict\n".encode("utf-16").decode("latin-1"), "not UTF-8 text: UTF-16"),
        ("label,predict\n".encode("utf-16-be").decode("latin-1"), "not UTF-8 text: UTF-16"),
        ('{\n "label": "joy",\n "predict": \n}', ":4:1: not valid JSON: Expecting value"),
        ('{\n "samples": [\n  {"label": "joy", "predict": "joy"}\n', ":4:1: not valid JSON"),
    ],
)
def test_what_cannot_be_scored(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError) as raised:
        score_file(file, MELD)
    assert message in str(raised.value)
    assert len(raised.value.problems) <= 21
    assert str(file) in str(raised.value)


def test_damaged_json_lines_are_told_each(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [json.dumps({"label": "joy", "predict": "joy"})] * 100
    rows[1:60:2] = ['{"label": "joy", "predict": "jo'] * 30
    file.write_text("\n".join(rows))
    with pytest.raises(InputError) as raised:
        score_file(file, MELD)
    said = str(raised.value).splitlines()
    assert said[0] == f"{file}:2:29: not valid JSON: Unterminated string starting at"
    assert said[19:] == [
        f"{file}:40:29: not valid JSON: Unterminated string starting at",
        f"{file}: and 10 more problems",
    ]


def test_objects_over_several_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    rows = [{"label": label, "predict": answer} for answer, label in PAIRS[:2]]
    file.write_text("\n".join(json.dumps(row, indent=2) for row in rows))
    assert (score_file(file, MELD)[0].row["n"], score_file(file, MELD)[0].row["acc"]) == (2, 50)
    file.write_text(json.dumps(rows[0], indent=2))
    assert score_file(file, MELD)[0].row["acc"] == 100


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory\n    give the files in it"):
        score_file(tmp_path, MELD)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        score_file(tmp_path / "gone.csv", MELD)


@given(st.binary(max_size=200) | st.text('[{"predictlabel:}],joy\n\t', max_size=120).map(str.encode))
def test_any_file_gives_scores_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a"
    for head in (b"", b"pred,label\n"):
        file.write_bytes(head + content)
        with contextlib.suppress(InputError):
            assert score_file(file, MELD)[0].row["n"] > 0
