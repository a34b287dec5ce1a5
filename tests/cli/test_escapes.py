"""What others wrote is shown on a terminal, not obeyed: answers, utterances, logs, names."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.table import json_text, table, tell
from orchestrator.errors import StageError, harmless
from orchestrator.launch.local import _failure
from orchestrator.machine.files import cell, text_of_cell, write_csv
from orchestrator.scores.results import read_results, write_results
from tests.shared import ROOT

# what moves the cursor, sets a title, asks the terminal to type, changes the order of what is read
ATTACKS = {
    "\x1b[2J": "<U+001B>[2J",
    "\x1b]0;title\x07": "<U+001B>]0;title<U+0007>",
    "\x1b]52;c;AAAA\x1b\\": "<U+001B>]52;c;AAAA<U+001B>\\",
    "\x1bP+q\x1b\\": "<U+001B>P+q<U+001B>\\",
    "\x9b31m": "<U+009B>31m",
    "\x9d0;x\x9c": "<U+009D>0;x<U+009C>",
    "a\rb": "a<U+000D>b",
    "a\x08b": "a<U+0008>b",
    "\x07": "<U+0007>",
    "\x0b\x0c": "<U+000B><U+000C>",
    "\x00\x7f": "<U+0000><U+007F>",
    "\u202eab": "<U+202E>ab",
    "\u2066ab\u2069": "<U+2066>ab<U+2069>",
    "\u200eab\u200f\u061c": "<U+200E>ab<U+200F><U+061C>",
    "\u2028\u2029": "<U+2028><U+2029>",
    "\U000e0041": "<U+E0041>",
    "\x1b[8mhidden\x1b[0m": "hidden",
}
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


@pytest.mark.parametrize("text", ATTACKS)
def test_each_is_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert harmless(text) == ATTACKS[text]
    tell("note:", f"it says {text}")
    tell(table([{"a": text}]))
    out = capsys.readouterr().out
    assert not OBEYED.search(out)
    assert out.startswith(f"note: it says {ATTACKS[text]}\n")
    value = {"a": [text]}
    assert json.loads(json_text(value)) == value
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", json_text(value))


def test_what_is_only_text_stays() -> None:
    text = "tabs\tand\nlines, 情感, emoji 👩‍👩‍👧, é, a soft\xadhyphen"
    assert harmless(text) == text


def test_all_of_the_command_lines_output_passes_there() -> None:
    """`tell` alone prints, but for what moves on a terminal, and tables whose cells show what is hidden."""
    own = {"table.py": 1, "live.py": 1, "log_printer.py": 1, "compare.py": 1}
    found = {}
    for file in (ROOT / "orchestrator" / "cli").glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)]
        prints = sum(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls)
        if prints:
            found[file.name] = prints
    assert found == own


def test_an_utterance_is_shown(tmp_path: Path) -> None:
    (tmp_path / "data" / "Demo").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        text = f"id\tvideo\ttext\tlabel\n{split}1\t\tWhy \x1b]0;mine\x07 \u202enot?\tquestion\n"
        (tmp_path / "data" / "Demo" / f"{split}.tsv").write_text(text, "utf-8")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"method: zero_shot\nmodel: tiny_qwen2\ntasks: [demo]\ndata: {{root: {tmp_path}/data}}\n")
    done = CliRunner().invoke(app, ["validate", str(recipe)])
    assert not OBEYED.search(done.output)
    shown = done.output + str(done.exception)
    assert "<U+001B>]0;mine<U+0007>" in shown or "U+001B" in shown


def test_a_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("\x1b[31mred\x1b[0m\nboom \x1b]0;mine\x07 Authorization: Bearer abcdef123456\n")
    error = StageError(_failure(log, 0, 1, "llamafactory", "ended with exit status 1"))
    assert not OBEYED.search(str(error))
    assert "    | red\n    | boom <U+001B>]0;mine<U+0007> Authorization: ***\n" in str(error)


FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "＝1", "－1+x", "'=1", "-"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_runs_in_a_spreadsheet(tmp_path: Path, text: str) -> None:
    assert cell(text) == f"'{text}"
    assert text_of_cell(f"'{text}") == text
    write_results(tmp_path / "r.csv", [{"recipe": "r", "model": text}])
    assert f"'{text}" in (tmp_path / "r.csv").read_text("utf-8").replace('""', '"') or "\r" in text
    assert read_results(tmp_path / "r.csv")[0]["model"] == text


@pytest.mark.parametrize("value", ["-1", "-0.5", "+3e-4", "1", "joy", "a=b", "'quoted'", "", None, -1, -0.5, 3])
def test_numbers_and_words_are_left_as_they_are(value: object) -> None:
    assert cell(value) == value


def test_every_table_is_written_so(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [["=1", -1, None, "x"]])
    assert (tmp_path / "a.csv").read_text() == "'=1,-1,,x\n"
