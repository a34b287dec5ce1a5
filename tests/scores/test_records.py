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
        ('{"predict": "joy", "label": "joy"}\n{"predict":', ":2: not valid JSON"),
        ('{"predict": "joy", "label": "joy"}\n3', ":2: not a JSON object"),
        ("[1]", "something other than objects"),
        ("[{]", "not valid JSON"),
        ("{}", "which column holds the label"),
        ("\xff", "not UTF-8"),
    ],
)
def test_what_cannot_be_scored(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError) as raised:
        score_file(file, MELD)
    assert message in str(raised.value)
    assert str(file) in str(raised.value)


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
