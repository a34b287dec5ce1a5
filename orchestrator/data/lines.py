"""Tables and JSON lines read so that each record knows its line and a broken one costs only itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.machine.files import allow_long_fields


def csv_lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """The rows of a table, each with the physical line it starts on (from 1); an error in the place of a broken one.

    A stray quote is an error, instead of swallowing the rows up to the next one.
    """
    allow_long_fields()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, error


def json_lines(text: str, loads: Callable[[str], Any] = json.loads) -> Iterator[tuple[int, Any]]:
    """The values on lines that are not blank, each with its line (from 1); an error in the place of a broken one.

    One object printed over several lines is one error, not one a line.
    """
    if over := _one_object(text):
        yield over
        return
    # not splitlines(): U+2028 and others may stand inside a JSON text
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            try:
                yield line, loads(content)
            except (ValueError, RecursionError) as error:
                yield line, error


def _one_object(text: str) -> tuple[int, ValueError] | None:
    """Where a text begins with an object that does not end on its line: that line, and what it is in words."""
    start = len(text) - len(text.lstrip())
    first = text[start:].partition("\n")[0]
    try:
        json.loads(first)
    except RecursionError:
        return None
    except ValueError:
        pass
    else:
        return None
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        if first.strip() != "{":
            return None
        line = text.count("\n", 0, getattr(error, "pos", start)) + 1
        return line, ValueError(f"{getattr(error, 'msg', error)}, in an object over several lines")
    if not isinstance(value, dict):
        return None
    keys = ", ".join(list(map(str, value))[:3]) + (", ..." if len(value) > 3 else "")
    lines, more = text.count("\n", start, end) + 1, "" if not text[end:].strip() else ", and others behind it"
    message = f"one object over {lines:,} lines ({{{keys}}}){more}; write a list of objects, or one object a line"
    return text.count("\n", 0, start) + 1, ValueError(message)
