from __future__ import annotations

import re

import pytest

from orchestrator.cli.grid import Column, Field, Grid, latex, markdown, plain


def column(head: str, *texts: str, best: int | None = None, **more: object) -> Column:
    fields = [Field(text, best=place == best) for place, text in enumerate(texts)]
    return Column(head, fields, **more)  # type: ignore[arg-type]


GRID = Grid(
    "scores",
    [
        column("task", "MELD", "一个任务", right=False),
        column("run_one", "1.00", "22.00", best=1, group="a"),
        column("gap\nto it", "+1.50", "-2.25", group="a"),
        column("run_two-1e-5", "3.00", "", best=0, group="b"),
    ],
)


def test_plain_at_full_width() -> None:
    assert plain(GRID, 80, bold=False).splitlines() == [
        "scores",
        "",
        "                      gap",
        "task      run_one   to it  run_two-1e-5",
        "MELD         1.00   +1.50          3.00*",
        "一个任务    22.00*  -2.25",
    ]


def test_best_is_bold_where_that_can_be_shown() -> None:
    lines = plain(GRID, 80, bold=True).splitlines()
    assert lines[-2] == "MELD         1.00  +1.50          \x1b[1m3.00\x1b[0m"
    assert lines[-1] == "一个任务    \x1b[1m22.00\x1b[0m  -2.25"


@pytest.mark.parametrize("width", range(1, 50))
def test_nothing_is_cut_at_any_width(width: int) -> None:
    text = plain(GRID, width, bold=False)
    words = text.split()
    for word in ("1.00", "22.00*", "+1.50", "-2.25", "3.00*", "gap", "run_one"):
        assert words.count(word) == 1, text
    assert "".join(re.findall("run_two-|1e-5", text)) == "run_two-1e-5"
    # the first column stands before each part
    assert words.count("MELD") == len(text.removeprefix("scores\n\n").split("\n\n"))
    if width >= 23:
        assert max(len(line) for line in text.splitlines()) <= width


def test_a_group_stays_together_where_it_fits() -> None:
    first, second = plain(GRID, 26, bold=False).removeprefix("scores\n\n").split("\n\n")
    assert first.splitlines()[1].split() == ["task", "run_one", "to", "it"]
    assert second.splitlines()[0].split() == ["task", "run_two-1e-5"]


def test_long_names_are_broken_where_their_parts_end() -> None:
    grid = Grid("", [column("task", "x", right=False), column("llava_video_72b_sft-learning_rate1e-5-seed1", "1")])
    assert [line.strip() for line in plain(grid, 80, bold=False).splitlines()[:3]] == [
        "llava_video_72b_sft-",
        "learning_rate1e-5-",
        "task                 seed1",
    ]


def test_markdown_has_as_many_fields_in_each_line() -> None:
    grid = Grid("", [column("a|b", "x|y", "*z", right=False), column("c\nd", "1", "2", best=1)])
    lines = markdown(grid).splitlines()
    assert lines == ["| a\\|b | c d |", "| --- | ---: |", "| x\\|y | 1 |", "| \\*z | **2** |"]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}
    assert markdown(GRID).startswith("**scores**\n\n| task | run_one |")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<b>&lt;", r"\<b>\&lt;"), ("`x`", r"\`x\`"), ("~~x~~", r"\~\~x\~\~"), ("a\\b", r"a\\b"),
        ("_x_ a_b", r"\_x\_ a_b"),
        ("[-1.00, +2.00]", "[-1.00, +2.00]"), ("[x](http://y)", r"[x\](http://y)"), ("<0.001", r"\<0.001"),
    ],
)  # fmt: skip
def test_markdown_shows_every_text_as_it_is(text: str, expected: str) -> None:
    grid = Grid(text, [column(text, text)])
    assert markdown(grid).splitlines() == [f"**{expected}**", "", f"| {expected} |", "| ---: |", f"| {expected} |"]


@pytest.mark.parametrize("odd", ["a\nb", "a\r\nb", "\x1b[31mred", "a\tb", "a\u2028b", "a\x0bb"])
def test_an_odd_text_stays_in_its_line_and_commands_nothing(odd: str) -> None:
    grid = Grid(odd, [column("x", odd, "short", right=False), column("y", "1", odd)])
    for text, lines in ((plain(grid, 80, bold=False), 5), (markdown(grid), 6), (latex(grid), 9)):
        assert len(text.splitlines()) == lines, text
        assert not set(text) & set("\r\x1b\t\u2028\x0b")


@pytest.mark.parametrize("text", ["[seed 1]", "*x", "["])
def test_latex_takes_no_field_for_an_option_of_the_row_before(text: str) -> None:
    lines = latex(Grid("", [column(text, text), column("b", text)])).splitlines()
    assert lines[2] == f"{{}}{text} & b \\\\"
    assert lines[4] == f"{{}}{text} & {text} \\\\"


def test_latex_escapes_and_keeps_its_columns() -> None:
    grid = Grid("", [column("a_b", "50%", "x & y", right=False), column("gap", "[-1.00, +2.00]", "<0.001", best=1)])
    assert latex(grid).splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a\_b & gap \\",
        r"\midrule",
        r"50\% & [$-1.00$, $+2.00$] \\",
        r"x \& y & \textbf{\textless{}0.001} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert latex(GRID).startswith("% scores\n")
