"""Rows of results for people: a table or two, as wide as there is room, else a list. No number is ever cropped."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.cli.table import cells_of, table
from orchestrator.scores.results import MAJORITY, OVERALL, ResultsRow

if TYPE_CHECKING:
    from rich.text import Text

FIRST = ("n", "acc", "95% CI", "majority", "f1")
THEN = ("wf1", "unknown", "multi", "empty", "error")  # where there is room, else in a table below
SURE = ("ece", "aurc")  # where any answers came with probabilities
NUMBERS = (*FIRST, *THEN, *SURE)
GAP = 2  # cells between the columns of `table`
Cells = dict[str, str]


class Line(NamedTuple):
    """A line of text, and whose it is: a head has no row. ``judged``: it holds the accuracy."""

    text: str
    row: ResultsRow | None = None
    judged: bool = False


def results_table(rows: Sequence[ResultsRow], width: int | None = None) -> str:
    """The rows as plain text.

    Args:
        rows: what is shown. Majority is the share (percent) of the most frequent true label, the accuracy of always
            saying it.
        width: cells of a line; ``None``: those of the terminal, and as many as are needed in files and pipes.
    """
    if width is None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    return "\n".join(line.text for line in _lines(rows, width))


def results_text(rows: Sequence[ResultsRow], width: int) -> Text:
    """The same for a terminal with colours; an accuracy is green above the majority baseline and red below it."""
    from rich.text import Text

    shown = []
    for line in _lines(rows, width):
        text = Text(line.text, style="" if line.row and line.row["task"] != OVERALL else "bold")
        if line.row and line.judged:
            accuracy, baseline, cell = line.row.get("acc"), line.row.get(MAJORITY), _cells(line.row)["acc"]
            if accuracy is not None and baseline is not None and accuracy != baseline:
                at = line.text.find(cell, 0 if line.text.startswith(" ") else len(line.row["task"]))
                text.stylize("green" if accuracy > baseline else "red", at, at + len(cell))
        shown.append(text)
    return Text("\n").join(shown)


def result_line(row: ResultsRow) -> str:
    """A task's result in a line, as it comes."""
    cells = _cells(row)
    text = f"{cells['task']}: acc {cells['acc']}"
    text += f" (95% CI {cells['95% CI']})" if cells["95% CI"] else ""
    return text + (f", majority {cells['majority']}" if cells["majority"] else "") + f", n {cells['n']}"


def _lines(rows: Sequence[ResultsRow], width: int | None) -> Iterator[Line]:
    several = len({row.get("recipe") for row in rows}) > 1
    cells = [({"recipe": str(row.get("recipe") or "")} if several else {}) | _cells(row) for row in rows]
    if not any(one[name] for one in cells for name in SURE):
        cells = [{name: text for name, text in one.items() if name not in SURE} for one in cells]
    parts = _parts(cells, width)
    for number, part in enumerate(parts):
        if number:
            yield Line("")
        text = table([{name: one[name] for name in part} for one in cells], right=NUMBERS).splitlines()
        yield Line(text[0])
        yield from (Line(line, row, "acc" in part) for line, row in zip(text[1:], rows, strict=True))
    for row, one in zip(rows, cells, strict=True) if not parts else ():
        yield Line(" ".join(value for name, value in one.items() if name not in NUMBERS), row)
        for line in _listed([f"{name} {one[name]}" for name in NUMBERS if one.get(name)], max(width or 1, 1)):
            yield Line(line, row, f"acc {one['acc']}" in line)


def _parts(rows: Sequence[Cells], width: int | None) -> list[list[str]]:
    """The columns of one table, or of two below each other, that fit a width; empty where these would not."""
    heads = [name for name in rows[0] if name not in NUMBERS]

    def fits(names: Sequence[str]) -> bool:
        wide = [max(cells_of(name), *(cells_of(row[name]) for row in rows)) for name in names]
        return width is None or sum(wide) + GAP * (len(names) - 1) <= width

    then = [name for name in (*THEN, *SURE) if name in rows[0]]
    one, two = [[*heads, *FIRST, *then]], [[*heads, *FIRST], [*heads, *then]]
    return one if all(map(fits, one)) else two if all(map(fits, two)) else []


def _listed(numbers: Sequence[str], width: int) -> Iterator[str]:
    """Named numbers, as many a line as there is room for; where one alone is too wide, it stands below its name."""
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    options |= {"initial_indent": " ", "subsequent_indent": " "}
    whole = "  ".join(number.replace(" ", "\xa0") for number in numbers)
    for line in textwrap.wrap(whole, width, **options):
        text = line.replace("\xa0", " ")
        yield from [text] if len(text) <= width else textwrap.wrap(text.strip().replace("-", "- "), width, **options)


def _cells(row: ResultsRow) -> Cells:
    def number(name: str) -> str:
        value: Any = row.get(name)
        return "" if value is None else f"{value:.2f}"

    low, high = number("acc_ci_low"), number("acc_ci_high")
    cells = {"task": row["task"], "n": str(row.get("n") or ""), "acc": number("acc")}
    cells |= {"95% CI": f"{low}-{high}" if low and high else "", "majority": number(MAJORITY)}
    return cells | {name: number(name) for name in ("f1", *THEN, *SURE)}
