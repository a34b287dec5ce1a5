"""Files of answers from elsewhere, given to ``score --task MELD``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from orchestrator.scores.answer_file import read_answers, write_answers
from tests.chaos.surroundings import quoted
from tests.chaos.table import add
from tests.chaos.world import Lab, understandable
from tests.running import attempt

CSV = "id,label,predict\n1,joy,joy\n2,fear,anger\n"
JSONL = '{"id": 1, "label": "joy", "predict": "joy"}\n{"id": 2, "label": "fear", "predict": "anger"}\n'
# content, further words, what must be said: a number is the ACC of a table, anything else a pattern of a refusal
FILES: dict[str, tuple[str | bytes, str, float | str]] = {
    "CSV": (CSV, "", 50.0),
    "JSON lines": (JSONL, "", 50.0),
    "a JSON list": (json.dumps([json.loads(line) for line in JSONL.splitlines()]), "", 50.0),
    "a byte order mark": (b"\xef\xbb\xbf" + CSV.encode(), "", 50.0),
    "Windows line ends": (CSV.replace("\n", "\r\n"), "", 50.0),
    "no last line end": (CSV[:-1], "", 50.0),
    "the utterance in a column text, the answers in one of no usual name": (
        "id,text,label,model_output\n1,I feel joy,joy,anger\n2,so much fear,fear,anger\n", "", r"--answer-column"),
    "the same, the column named": (
        "id,text,label,model_output\n1,I feel joy,joy,anger\n2,so much fear,fear,anger\n",
        "--answer-column model_output", 0.0),
    "only a column text": ("id,text,label\n1,I feel joy,joy\n2,so much fear,fear\n", "", r"--answer-column"),
    "the answer column twice": ("id,label,predict,predict\n1,joy,joy,anger\n", "", r"twice"),
    "the label column twice": ("id,label,label,predict\n1,joy,anger,joy\n", "", r"twice"),
    "a key twice in an object": ('{"label": "joy", "predict": "joy", "predict": "anger"}\n', "", r"twice"),
    "two columns of usual names": ("id,label,prediction,response\n1,joy,joy,anger\n", "", r"--answer-column"),
    "an object on many lines": (
        json.dumps({"samples": [{"target": "joy", "output": {"completion": "joy"}}]}, indent=2), "", 100.0),
    "an object on many lines, of no known form": (json.dumps({"n": {"a": 1}}, indent=2), "", r"column|object"),
    "JSON null": ('{"label": "joy", "predict": null}\n{"label": "joy", "predict": "joy"}\n', "", 50.0),
    "a lone surrogate": ('{"label": "joy", "predict": "\\ud83d"}\n{"label": "joy", "predict": "joy"}\n', "", 50.0),
    "an answer of 10 MB in CSV": (f"label,predict\njoy,{'x' * 10_000_000}\njoy,joy\n", "", 50.0),
    "NUL in an answer": ("label,predict\njoy,a\0b\njoy,joy\n", "", 50.0),
    "UTF-16": (CSV.encode("utf-16"), "", r"UTF-8"),
    "binary": (bytes(range(256)) * 4, "", r"UTF-8|not "),
    "emptied": ("", "", r"no rows"),
    "only a header": ("id,label,predict\n", "", r"no rows"),
    "a short row": ("id,label,predict\n1,joy\n", "", r"2 fields"),
    "a deep list": ("[" * 100_000, "", r"not valid JSON"),
    "a number of 5,000 digits": ('{"label": "joy", "predict": ' + "9" * 5000 + "}\n", "", r"not valid JSON|."),
}  # fmt: skip


def scored(lab: Lab, name: str) -> None:
    content, more, expected = FILES[name]
    world = lab.at("new")
    file = world.folder / ("answers.csv" if str(content)[:1] not in "{[" else "answers.jsonl")
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, said = attempt("score", file, "--task", "MELD", *more.split())
    if isinstance(expected, float):
        assert code == 0, said
        assert re.search(rf"MELD\s+\d+\s+{expected:.2f}", said), said
    else:
        assert code == 2, f"it was scored:\n{said}" if not code else said
        understandable(said, code, hint=False)
        assert re.search(expected, said), said
        assert len(said.splitlines()) < 25, f"{len(said.splitlines())} lines"


def columns_said(lab: Lab) -> None:
    world = lab.at("new")
    file = world.folder / "answers.csv"
    file.write_text(CSV)
    code, said = attempt("score", file, "--task", "MELD")
    assert code == 0, said
    assert re.search(r"`?label`?.*`?predict`?", said), f"it does not say which columns were read:\n{said}"


def own_output(lab: Lab) -> None:
    """What a run keeps beside its scores can be scored again, whatever the answers are."""
    world = lab.at("done")
    file = world.stage("score") / "demo.answers.jsonl.gz"
    code, said = attempt("score", file, "--task", "demo")
    assert code == 0, said
    acc = f"{float(world.calm['rows'][0]['acc']):.2f}"
    assert acc in said, said
    last = read_answers(file)[-1] | {"id": "x", "answer": "y" * 10_000_000, "parsed": None, "outcome": "unknown"}
    write_answers(file, [*read_answers(file), last])  # type: ignore[list-item]
    code, said = attempt("score", file, "--task", "demo")
    assert code == 0, said[:2000]


def closed_output(lab: Lab) -> None:
    world = lab.at("new")
    (world.folder / "answers.csv").write_text(CSV)
    words = f'"$1" "$2" "$3" "$4" score {quoted(world.folder)}/answers.csv --task MELD'
    for end in (" >&-", " | true", " >/dev/full"):
        _, said = world.shell(words + end)
        assert "Traceback" not in said, said
        assert "Exception ignored" not in said, said


for _name, (_, _, _expected) in FILES.items():
    _words = f"ACC {_expected:.2f}" if isinstance(_expected, float) else f"refused: {_expected}"
    add("scores", _name, _words, scored, _name)
_more: list[tuple[str, str, Callable[[Lab], None]]] = [
    ("which columns were read", "is said", columns_said),
    ("its own output, with an answer of 10 MB", "scored", own_output),
    ("closed and full outputs", "no traceback", closed_output),
]
for _name, _words, _do in _more:
    add("scores", _name, _words, _do)
