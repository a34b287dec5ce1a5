"""Tables in three forms: for terminals of any width, Markdown, LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from orchestrator.errors import visible

HEAD_WIDTH = 20  # of a column's name on a terminal, where it can be broken
_BREAKS = re.compile(r"(?<=[-_./@=,+: ])(?!\d)")  # not within a number: 1e-5
_SIGNED = re.compile(r"(?<![^\[ ])([-+]\d+\.\d+)")  # a hyphen is no minus
_MARKDOWN = re.compile(r"[\\|*`<~&]|(?<!\w)_|_(?!\w)|\](?=[\[(])")  # within a word an underscore is one
_LATEX = {
    "\\": r"\textbackslash{}", "_": r"\_", "&": r"\&", "%": r"\%", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "|": r"\textbar{}",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field of a table.

    Attributes:
        text: what it says.
        bold: it stands out.
        best: it is bold, too, and marked with a ``*`` where nothing is bold.
    """

    text: str = ""
    bold: bool = False
    best: bool = False


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        head: its name; a line end in it is one on a terminal.
        fields: below it.
        group: columns of the same group stay beside each other where a table is broken.
        right: it holds numbers.
    """

    head: str
    fields: Sequence[Field]
    group: str = ""
    right: bool = True


@dataclass(frozen=True)
class Grid:
    """A table: a title, and columns of the same length, of which the first names the rows."""

    title: str
    columns: Sequence[Column] = field(default_factory=list)


def plain(grid: Grid, width: int, *, bold: bool) -> str:
    """A table for a terminal: where it is too wide, groups of columns go below the others; no field is ever cut.

    Args:
        grid: the table.
        width: of the terminal, in cells.
        bold: the terminal can show it; else a ``*`` stands behind what is best.
    """
    first, *others = (_laid(column, bold=bold) for column in grid.columns)
    parts = [list(part) for _, part in groupby(others, key=lambda one: one.group)]
    blocks: list[list[_Laid]] = []
    for part in parts:
        # a group that is too wide by itself is broken between any of its columns
        whole = first.width + sum(column.width + 2 for column in part) <= width
        for piece in [part] if whole else [[column] for column in part]:
            used = first.width + sum(column.width + 2 for column in (*(blocks[-1] if blocks else ()), *piece))
            if not blocks or used > width:
                blocks.append([])
            blocks[-1] += piece
    texts = ["\n".join(_lines([first, *block])) for block in blocks]
    return "\n\n".join([f"{_line(grid.title)}\n\n{texts[0]}" if grid.title else texts[0], *texts[1:]])


@dataclass(frozen=True)
class _Laid:
    """A column as lines of a terminal, each with its width: escapes for bold have none."""

    head: Sequence[str]
    fields: Sequence[tuple[str, int]]
    width: int
    group: str
    right: bool


def _line(text: str) -> str:
    """A text in one line; what a terminal would take for a command is shown by its code point."""
    return visible(text.replace("\n", " "))


def _laid(column: Column, *, bold: bool) -> _Laid:
    from rich.cells import cell_len

    marks = not bold and any(field.best for field in column.fields)
    fields = []
    for one in column.fields:
        text = _line(one.text) + (("*" if one.best else " ") if marks else "")
        fields.append((f"\x1b[1m{text}\x1b[0m" if bold and (one.bold or one.best) else text, cell_len(text)))
    widest = max((width for _, width in fields), default=0)
    head = [line for part in column.head.split("\n") for line in _broken(part, max(widest, HEAD_WIDTH))]
    if marks and column.right:
        head = [f"{line} " for line in head]
    return _Laid(head, fields, max([widest, *map(cell_len, head)]), column.group, column.right)


def _broken(text: str, width: int) -> list[str]:
    """A name in lines, broken where its parts end."""
    from rich.cells import cell_len

    lines = [""]
    for part in _BREAKS.split(text):
        if lines[-1] and cell_len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _lines(columns: Sequence[_Laid]) -> list[str]:
    from rich.cells import cell_len

    height = max(len(column.head) for column in columns)
    heads = [[""] * (height - len(column.head)) + list(column.head) for column in columns]
    rows = [[(head[at], cell_len(head[at])) for head in heads] for at in range(height)]
    rows += [[column.fields[at] for column in columns] for at in range(len(columns[0].fields))]
    lines = []
    for row in rows:
        padded = []
        for column, (text, width) in zip(columns, row, strict=True):
            pad = " " * (column.width - width)
            padded.append(pad + text if column.right else text + pad)
        lines.append("  ".join(padded).rstrip())
    return lines


def markdown(grid: Grid) -> str:
    """A table in GitHub's Markdown."""

    def line(fields: Sequence[str]) -> str:
        return f"| {' | '.join(fields)} |"

    def shown(one: Field) -> str:
        text = _MARKDOWN.sub(r"\\\g<0>", _line(one.text))
        return f"**{text}**" if (one.bold or one.best) and text else text

    heads = [line([shown(Field(column.head)) for column in grid.columns])]
    heads.append(line(["---:" if column.right else "---" for column in grid.columns]))
    rows = [line([shown(one) for one in row]) for row in zip(*(column.fields for column in grid.columns), strict=True)]
    return "\n".join([*([shown(Field(grid.title, bold=True)), ""] if grid.title else []), *heads, *rows])


def latex(grid: Grid) -> str:
    """A table of LaTeX's; its rules are those of the package booktabs."""

    def shown(one: Field) -> str:
        text = _SIGNED.sub(r"$\1$", escaped(_line(one.text)))
        return rf"\textbf{{{text}}}" if (one.bold or one.best) and text else text

    def line(fields: Sequence[str]) -> str:
        # what follows the end of a row is not to be taken for its options: \\[2pt], \\*
        return rf"{'{}' if fields[0].startswith(('[', '*')) else ''}{' & '.join(fields)} \\"

    form = "".join("r" if column.right else "l" for column in grid.columns)
    rows = [line([shown(one) for one in row]) for row in zip(*(column.fields for column in grid.columns), strict=True)]
    lines = [
        rf"\begin{{tabular}}{{{form}}}", r"\toprule", line([shown(Field(column.head)) for column in grid.columns]),
        r"\midrule", *rows, r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    return "\n".join([*([f"% {_line(grid.title)}"] if grid.title else []), *lines])


def escaped(text: str) -> str:
    """A text for LaTeX."""
    return "".join(_LATEX.get(char, char) for char in text)
