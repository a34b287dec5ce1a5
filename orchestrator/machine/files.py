"""Files: atomic writes, JSON, CSV, digests of contents.

Any text can be written. What UTF-8 cannot spell, half a surrogate pair, stays what it is in JSON (``.json`` and
``.jsonl``), by JSON's own escape; in any other file it becomes U+FFFD. Neither is a word character, so that a label
beside it is found in the file as in the text.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import hashlib
import io
import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO


def _replaced(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "\ufffd".encode() * (error.end - error.start), error.end  # bytes: of text the codec takes ASCII alone


REPLACED = "replaced-by-fffd"
codecs.register_error(REPLACED, _replaced)


@contextlib.contextmanager
def atomic_open(path: Path) -> Iterator[TextIO]:
    """A file to write, so that a reader, or a crash at any moment, sees the old content or the new, never half.

    Raises:
        OSError: the file cannot be written; what stood there stands.
    """
    # of half a surrogate pair this makes the escape that JSON has for it
    errors = "backslashreplace" if path.suffix in (".json", ".jsonl") else REPLACED
    if path.exists() and not path.is_file():  # a pipe or a device such as /dev/null is written to, never replaced
        with path.open("w", encoding="utf-8", errors=errors) as file:
            yield file
        return
    path = path.resolve() if path.is_symlink() else path  # a link stays one
    # two writers of the same file may be threads, or processes of one number on two machines
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", errors=errors, newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: Path, data: str | bytes) -> None:
    """Write a file as `atomic_open` does, in a folder that is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        if isinstance(data, str):
            file.write(data)
        else:
            file.buffer.write(data)


# what spreadsheets take for a formula, at the beginning of a cell
_FORMULA = re.compile("'*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def cell(value: object) -> object:
    """A value for a cell of a table that spreadsheets open: a text that they would run gets an apostrophe before it."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def text_of_cell(cell: str) -> str:
    """The text that was written so."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV, atomically: comma, ``\\n``, ``None`` as an empty field.

    Every text reads back as it was (`text_of_cell`), and runs in no spreadsheet.
    """
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for values in rows:
        row = [cell(value) for value in values]
        # the module does not quote a carriage return, at which readers end the row
        (quoted if any(isinstance(field, str) and "\r" in field for field in row) else plain).writerow(row)
    atomic_write(path, text.getvalue())


def allow_long_fields() -> None:
    """Have the csv module read fields of any length: an answer may be longer than its 128 KiB.

    The limit is the whole program's, so it is never set back: another thread may be reading.
    """
    csv.field_size_limit(sys.maxsize)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, atomically."""
    atomic_write(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """The JSON in a file, or ``None`` where there is none or where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def digest(value: object) -> str:
    """SHA-256 (hex) of a value's canonical JSON: equal values give equal digests, whatever the key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file; a torn last line (a writer was killed) is left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
