"""Tables and JSON lines read so that each record knows its line and a broken one costs only itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any


def csv_lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """The rows of a table, each with the physical line it starts on (from 1); an error in the place of a broken one.

    A stray quote is an error, instead of swallowing the rows up to the next one.
    """
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
    """The values on lines that are not blank, each with its line (from 1); an error in the place of a broken one."""
    # not splitlines(): U+2028 and others may stand inside a JSON text
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            try:
                yield line, loads(content)
            except (ValueError, RecursionError) as error:
                yield line, error
