"""Files of true labels and answers as records: CSV, TSV, JSON lines, JSON objects or a JSON list."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shlex
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.benchmark.task import Task
from orchestrator.data.lines import csv_lines, json_lines
from orchestrator.errors import InputError, Problem, capped

DELIMITERS = ",\t;|"
_GZIP = b"\x1f\x8b"  # how a packed file begins
_BLANK = re.compile(r"\s*")
_HINT = "it must be text in UTF-8: CSV, TSV, JSON lines or a JSON list"


class Record(NamedTuple):
    """One row: its physical line (in a JSON list its position) from 1, and its fields by column."""

    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Origin:
    """Where rows come from that are a run's own.

    Attributes:
        recipe: the run's name.
        labels: where their labels were looked up, in words.
        split: that was answered.
        tasks: those that they may be of.
        notes: what a user should know of them.
    """

    recipe: str
    labels: str
    split: str
    tasks: Mapping[str, Task]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Records:
    """The rows of a file, or some of them.

    Attributes:
        path: the file.
        columns: the names of all columns in order; ``a.b`` is the field `b` of the JSON object in `a`.
        rows: the rows.
        repeated: names that stand twice in the header or in one JSON object, each with the line.
        origin: of rows that are a run's own.
    """

    path: Path
    columns: Sequence[str]
    rows: Sequence[Record]
    repeated: Mapping[str, int] = field(default_factory=dict)
    origin: Origin | None = None

    def matching(self, *names: str) -> list[str]:
        """The columns that have one of some names, letter case ignored, in the order of the names."""
        found = [(names.index(name), column) for column in self.columns if (name := _folded(column)) in names]
        return [column for _, column in sorted(found, key=lambda pair: pair[0])]

    def column(self, *names: str) -> str | None:
        """The first column in the file that has one of some names; ``None`` where there is none."""
        return next((column for column in self.columns if _folded(column) in names), None)

    def sole(self, name: str) -> str | None:
        """As `column`, of a name that must say one thing.

        Raises:
            InputError: the column is there twice.
        """
        found = self.matching(name)
        if twice := [column for column in found if column in self.repeated] or found[1:]:
            where = f"{self.path}:{self.repeated[twice[0]]}" if twice[0] in self.repeated else str(self.path)
            raise InputError(f"the column `{name}` is there twice", where, "rename one of them")
        return found[0] if found else None

    def values(self, column: str) -> list[Any]:
        """A column's values, ``None`` for a row without it; of a list of one value that value."""
        return [_value(row.fields, column) for row in self.rows]

    def unpacked(self) -> Records:
        """Of a lone JSON object that holds its rows in a list, those rows; else these.

        Raises:
            InputError: it holds several lists of objects.
        """
        fields = self.rows[0].fields if len(self.rows) == 1 else {}
        lists = {name: value for name, value in fields.items() if _objects(value)}
        if len(lists) > 1:
            names = ", ".join(f"`{name}`" for name in lists)
            hint = (
                f"write the rows alone to a file: jq '.{next(iter(lists))}' {shlex.quote(str(self.path))} > rows.json"
            )
            raise InputError(f"one JSON object, whose rows may be in {names}", str(self.path), hint)
        for value in lists.values():
            rows = [Record(at, fields) for at, fields in enumerate(value, 1)]
            return replace(self, columns=_columns(rows), rows=rows)
        return self


def read_records(path: Path) -> Records:
    """The rows of a file whose kind is told by its first character, a table's delimiter by its first line.

    Raises:
        InputError: it cannot be read, holds no rows or damaged ones; all problems at once, with their lines.
    """
    text = _text(path)
    problems: list[Problem] = []
    repeated: dict[str, int] = {}
    read = _json if text.lstrip()[:1] in ("[", "{") else _table
    records = read(text, path, problems, repeated)
    if not records and not problems:
        problems.append(Problem("no rows to score", str(path), "" if text.strip() else "the file is empty"))
    if problems:
        raise InputError(capped(problems, str(path)))
    return Records(path, _columns(records), records, repeated)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content[:2] == _GZIP:
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"cannot be unpacked: {error}", str(path), "it was damaged, or not copied to its end"
        ) from None
    except OSError as error:
        hint = "give the files in it" if path.is_dir() else ""
        raise InputError(f"cannot be read: {error.strerror}", str(path), hint) from error
    coding = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
    if 0 in content[:2]:  # no text starts so, but one of Western letters without a byte order mark
        coding = "UTF-16LE" if content[0] else "UTF-16BE"
    if coding:
        raise InputError(f"not UTF-8 text: {coding}", str(path), _convert(path, coding))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the error counts from behind a byte order mark
        bad, line = error.object[error.start], error.object.count(b"\n", 0, error.start) + 1
        hint = _HINT if 0 in content else f"{_HINT}; {_convert(path, 'LATIN1')}"
        raise InputError(f"not UTF-8 text: byte 0x{bad:02x}", f"{path}:{line}", hint) from error


def _convert(path: Path, coding: str) -> str:
    return f"if it is {coding}: iconv -f {coding} -t UTF-8 {shlex.quote(str(path))} > utf8{path.suffix}"


def _json(text: str, path: Path, problems: list[Problem], repeated: dict[str, int]) -> list[Record]:
    doubled: list[str] = []
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: _object(pairs, doubled))
    values: list[tuple[int, Any]] = []
    lines = json_lines(text, decoder.decode) if _one_a_line(text) else _json_values(text, decoder)
    for line, value in lines:
        values.append((line, value))
        for name in doubled:
            repeated.setdefault(name, line)
        doubled.clear()
    if len(values) == 1 and isinstance(values[0][1], list):
        values = list(enumerate(values[0][1], 1))
    if values and not any(isinstance(value, (dict, Exception)) for _, value in values):
        problems.append(Problem("holds no JSON objects, one for each row", str(path)))
        return []
    for line, value in values:
        if isinstance(value, Exception):
            column = getattr(value, "colno", 1)
            problems.append(Problem(f"not valid JSON: {getattr(value, 'msg', value)}", f"{path}:{line}:{column}"))
        elif not isinstance(value, dict):
            problems.append(Problem("not a JSON object, one for each row", f"{path}:{line}"))
    return [Record(line, value) for line, value in values if isinstance(value, dict)]


def _one_a_line(text: str) -> bool:
    """Whether a text is JSON lines, judged by its first ones: some may be damaged."""
    if text.lstrip()[:1] == "[":
        return False
    first = [value for _, (_, value) in zip(range(20), json_lines(text), strict=False)]
    return 2 * sum(isinstance(value, dict) for value in first) >= len(first)


def _json_values(text: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, Any]]:
    """JSON values one behind another, each with the line it starts on; an error in the place of a broken one."""
    line, end = 1, 0
    while True:
        blank = _BLANK.match(text, end)
        start = blank.end() if blank else end
        if start == len(text):
            return
        line += text.count("\n", end, start)
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            yield getattr(error, "lineno", line), error
            return
        yield line, value
        line += text.count("\n", start, end)


def _object(pairs: list[tuple[str, Any]], doubled: list[str]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        doubled += [name for name in found if names.count(name) > 1]
    return found


def _table(text: str, path: Path, problems: list[Problem], repeated: dict[str, int]) -> list[Record]:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    suffixes = path.name.lower().removesuffix(".gz")
    delimiter = "\t" if suffixes.endswith((".tsv", ".tab")) else max(DELIMITERS, key=first.count)
    header: list[str] = []
    records: list[Record] = []
    for line, row in csv_lines(text, delimiter):
        if isinstance(row, csv.Error):
            problems.append(Problem(f"not a valid table: {row}", where=f"{path}:{line}"))
        elif not header:
            header = row
            repeated |= {name: line for name in header if header.count(name) > 1}
        elif row and len(row) != len(header):
            problems.append(Problem(f"{len(row)} fields, the header has {len(header)}", where=f"{path}:{line}"))
        elif row:
            records.append(Record(line, dict(zip(header, row, strict=True))))
    return records


def _folded(column: str) -> str:
    return column.strip("\ufeff \t\r\n").lower()


def _columns(rows: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in _names(row.fields)))


def _names(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in _names(value))


def _value(fields: Any, column: str) -> Any:
    value = fields.get(column) if isinstance(fields, dict) else None
    if value is None and "." in column and isinstance(fields, dict):
        # of `a.b.c` any part may have dots of its own
        parts = column.split(".")
        heads = (".".join(parts[:at]) for at in range(1, len(parts)))
        value = next((_value(fields[head], column[len(head) + 1 :]) for head in heads if head in fields), None)
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
