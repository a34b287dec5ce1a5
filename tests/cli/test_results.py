from __future__ import annotations

import io
import re
import sys
from typing import Any

import pytest

from orchestrator.cli.results import NUMBERS, result_line, results_table, results_text
from orchestrator.cli.table import cells_of


def row(task: str, n: int = 10, **more: Any) -> dict[str, Any]:
    scores = dict.fromkeys(("f1", "wf1", "unknown", "multi", "empty", "error"), 12.5)
    return {"task": task, "n": n, "acc": 57.47, "acc_ci_low": 55.56, "acc_ci_high": 59.36} | scores | more


ROWS = [row("MELD", n=2610, majority=48.12), row("AnnoMi-therapist", majority=61.0), row("overall"), {"task": "MOSI"}]
SURE = {"acc": 100.0, "acc_ci_low": 100.0, "acc_ci_high": 100.0, "f1": 100.0, "error": 100.0, "majority": 100.0}
KINDS = {
    "one task": [row("demo", 240, majority=40.0)],
    "twelve tasks": [*(row(f"AnnoMi-therapist{n}", 2610, majority=48.12) for n in range(12)), row("overall", 61016)],
    "a long name": [row("a_task_with_a_very_long_name_that_somebody_gave_it_once", majority=1.0), row("MELD")],
    "wide characters": [row("中文情感任务"), row("MELD", **SURE), row("overall", 61016, **SURE)],
    "with probabilities": [row("MELD", ece=4.25, aurc=31.5), row("MOSI"), row("overall", ece=4.75, aurc=30.25)],
    "two recipes": [row("MELD", recipe="r_lr1e-5"), row("MELD", recipe="r_lr5e-5")],
}


def test_the_baseline_stands_beside_the_accuracy() -> None:
    head, meld, annomi, overall, mosi = results_table(ROWS).splitlines()
    assert head.split()[:6] == ["task", "n", "acc", "95%", "CI", "majority"]
    assert len(head) == len(meld) == len(annomi) == len(overall)
    assert meld.split()[:5] == ["MELD", "2610", "57.47", "55.56-59.36", "48.12"]
    assert "61.00" in annomi
    assert mosi == "MOSI"  # nothing is known, and nothing is said


@pytest.mark.parametrize("width", [10, 11, 25, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_there_in_whole_lines_whatever_the_width(kind: str, width: int) -> None:
    rows = KINDS[kind]
    text = results_table(rows, width)
    names = {" ".join(str(one[key]) for key in ("recipe", "task") if key in one) for one in rows}
    for line in text.splitlines():
        assert cells_of(line) <= width or line in names, "a name alone may be longer"
    numbers = re.findall(r"\b\d+\.\d\d\b", re.sub(r"-\s*", " ", text))
    expected = [value for one in rows for name, value in one.items() if isinstance(value, float)]
    assert sorted(numbers) == sorted(f"{value:.2f}" for value in expected)


def test_what_matters_most_comes_first_where_there_is_little_room() -> None:
    first, second = results_table(KINDS["twelve tasks"], 80).split("\n\n")
    assert first.splitlines()[0].split() == ["task", "n", "acc", "95%", "CI", "majority", "f1"]
    assert second.splitlines()[0].split() == ["task", "wf1", "unknown", "multi", "empty", "error"]
    assert len(first.splitlines()) == len(second.splitlines()) == 14
    assert results_table(KINDS["one task"], 40).splitlines() == [
        "demo",
        " n 240  acc 57.47  95% CI 55.56-59.36",
        " majority 40.00  f1 12.50  wf1 12.50",
        " unknown 12.50  multi 12.50  empty 12.50",
        " error 12.50",
    ]


def test_columns_end_below_each_other_beside_wide_characters() -> None:
    lines = results_table(KINDS["wide characters"], 200).splitlines()
    assert len({cells_of(line) for line in lines}) == 1
    assert lines[1].startswith("中文情感任务     10")


def test_a_file_or_pipe_has_whole_lines_and_a_terminal_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    rows = KINDS["twelve tasks"]
    assert len(results_table(rows).splitlines()) == len(rows) + 1
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert results_table(rows) == results_table(rows, 80)


def test_recipes_are_named_where_there_are_several() -> None:
    head, first, second = results_table(KINDS["two recipes"]).splitlines()
    assert head.split()[:2] == ["recipe", "task"]
    assert (first.split()[:2], second.split()[:2]) == (["r_lr1e-5", "MELD"], ["r_lr5e-5", "MELD"])


@pytest.mark.parametrize("width", [40, 80, 120])
def test_colours_say_whether_the_baseline_is_beaten(capsys: pytest.CaptureFixture[str], width: int) -> None:
    from rich.console import Console

    console = Console(width=width, force_terminal=True, color_system="standard", _environ={})
    console.print(results_text(ROWS, width), soft_wrap=True)
    said = capsys.readouterr().out
    assert said.count("\x1b[32m57.47\x1b[0m") == said.count("\x1b[31m57.47\x1b[0m") == 1
    assert said.index("\x1b[32m") < said.index("AnnoMi-therapist") < said.index("\x1b[31m")
    assert re.sub(r"\x1b\[[0-9;]*m", "", said) == results_table(ROWS, width) + "\n"


def test_a_result_as_it_comes() -> None:
    assert result_line(ROWS[0]) == "MELD: acc 57.47 (95% CI 55.56-59.36), majority 48.12, n 2610"
    assert result_line({"task": "MOSI", "n": 3, "acc": 0.0}) == "MOSI: acc 0.00, n 3"


def test_all_numbers_are_columns() -> None:
    sure = ROWS[0] | {"ece": 4.25, "aurc": 31.5}
    assert results_table([ROWS[0]]).splitlines()[0].split()[-1] == "error", "no columns that would be empty"
    assert set(results_table([sure]).splitlines()[0].replace("95% CI", "95%CI").split()) == {
        "task", *(name.replace(" ", "") for name in NUMBERS)
    }  # fmt: skip
