"""Files: atomic writes, JSON, digests of contents."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


@contextlib.contextmanager
def atomic_open(path: Path) -> Iterator[TextIO]:
    """A file to write, so that a reader, or a crash at any moment, sees the old content or the new, never half.

    Raises:
        OSError: the file cannot be written; what stood there stands.
    """
    if path.exists() and not path.is_file():  # a pipe or a device such as /dev/null is written to, never replaced
        with path.open("w", encoding="utf-8") as file:
            yield file
        return
    path = path.resolve() if path.is_symlink() else path  # a link stays one
    # the process id keeps two writers of the same file apart
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
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
        file.buffer.write(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, atomically."""
    atomic_write(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """The JSON in a file, or ``None`` where there is none or where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def digest(value: object) -> str:
    """SHA-256 (hex) of a value's canonical JSON: equal values give equal digests, whatever the key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def source_digest(*paths: Path) -> str:
    """One digest over the contents of source files."""
    return digest([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file; a torn last line (a writer was killed) is left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
