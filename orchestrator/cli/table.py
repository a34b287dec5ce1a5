"""What people read, as plain text: tables, and counts in words."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TextIO

from orchestrator.errors import harmless

_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # json escapes the other controls
WIDTH = 80  # of what is text; paths and commands are as long as they are


def tell(*texts: object, file: TextIO | None = None, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
    """Print what people read. What a terminal would obey is shown: answers, names and logs are others' texts.

    All of the command line's output passes here, but for what moves on a terminal.
    """
    print(*(harmless(str(text)) for text in texts), file=file, sep=sep, end=end, flush=flush)


def json_text(value: object) -> str:
    """A value as indented JSON for programs, which says the same and holds nothing that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def table(rows: Sequence[Mapping[str, Any]], right: Collection[str] = ()) -> str:
    """Rows as aligned plain text under their keys.

    Args:
        rows: what is shown, all with the same keys in the same order; ``None`` is an empty cell.
        right: the columns that end, not begin, at the same place: those with numbers.
    """
    if not rows:
        return "nothing"
    cells = [list(rows[0]), *(list(map(_cell, row.values())) for row in rows)]
    columns = []
    for column in zip(*cells, strict=True):
        width = max(map(cells_of, column))
        gaps = [" " * (width - cells_of(cell)) for cell in column]
        ends = column[0] in right
        columns.append([gap + cell if ends else cell + gap for cell, gap in zip(column, gaps, strict=True)])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _cell(value: object) -> str:
    return "" if value is None else harmless(str(value))


def cells_of(text: str) -> int:
    """How many cells of a terminal a text takes: two for each of most Chinese and Japanese characters."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(char) in "FW")
        for char in text
    )


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows as a table, or as JSON for programs."""
    tell(json_text(rows) if as_json else table(rows))


def counted(number: int, what: str) -> str:
    """A number of things in words: 1 job, 1,101 stages."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def wrapped(text: str, head: str) -> str:
    """Text behind a head, in lines of a terminal; paths stay whole for who copies them."""
    indent = " " * len(head)
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=indent, **options)
