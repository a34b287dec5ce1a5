"""Files of true labels and answers as records: CSV, TSV, JSON lines or a JSON list."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.data.lines import csv_lines, json_lines
from orchestrator.errors import InputError, Problem, capped


class Record(NamedTuple):
    """One row: its physical line (in a JSON list its position) from 1, and its fields by column."""

    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Records:
    """The rows of a file, or some of them, and the names of all its columns in order."""

    path: Path
    columns: Sequence[str]
    rows: Sequence[Record]

    def column(self, *names: str) -> str | None:
        """The first column that has one of some names, letter case ignored; ``None`` where there is none."""
        return next((column for column in self.columns if column.strip().lower() in names), None)

    def values(self, column: str) -> list[Any]:
        """A column's values, ``None`` for a row without it."""
        return [row.fields.get(column) for row in self.rows]


def read_records(path: Path) -> Records:
    """The rows of a file whose kind is told by its first character.

    Raises:
        InputError: it cannot be read, holds no rows or damaged ones; all problems at once, with their lines.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text: {error.reason} at byte {error.start}", where=str(path)) from error
    start = text.lstrip()[:1]
    problems: list[Problem] = []
    if start == "[":
        records = _json_list(text, path, problems)
    elif start == "{":
        records = _json_lines(text, path, problems)
    else:
        records = _table(text, path, problems)
    if not records and not problems:
        problems.append(Problem("no rows to score", where=str(path)))
    if problems:
        raise InputError(capped(problems, str(path)))
    return Records(path, list(dict.fromkeys(str(name) for record in records for name in record.fields)), records)


def _json_list(text: str, path: Path, problems: list[Problem]) -> list[Record]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(Problem(f"not valid JSON: {error}", where=str(path)))
        return []
    records = [Record(at, value) for at, value in enumerate(values, 1) if isinstance(value, dict)]
    if len(records) != len(values):
        problems.append(Problem("the list holds something other than objects", where=str(path)))
    return records


def _json_lines(text: str, path: Path, problems: list[Problem]) -> list[Record]:
    records = []
    for line, value in json_lines(text):
        if isinstance(value, dict):
            records.append(Record(line, value))
        else:
            message = f"not valid JSON: {value}" if isinstance(value, Exception) else "not a JSON object"
            problems.append(Problem(message, where=f"{path}:{line}"))
    return records


def _table(text: str, path: Path, problems: list[Problem]) -> list[Record]:
    first = text.split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") or first.count("\t") > first.count(",") else ","
    header: list[str] = []
    records: list[Record] = []
    for line, row in csv_lines(text, delimiter):
        if isinstance(row, csv.Error):
            problems.append(Problem(f"not a valid table: {row}", where=f"{path}:{line}"))
        elif not header:
            header = row
        elif row and len(row) != len(header):
            problems.append(Problem(f"{len(row)} fields, the header has {len(header)}", where=f"{path}:{line}"))
        elif row:
            records.append(Record(line, dict(zip(header, row, strict=True))))
    return records
