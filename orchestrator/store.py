"""What is on disk: atomic writes, content keys, a stage's state, the lock on a run."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError, Problem

KEY_LENGTH = 12


def atomic_write(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # the process id keeps two writers of the same file apart
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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


def key_of(value: object) -> str:
    """A stage's key: the first 12 hex digits (48 bits) of the digest of all that can change its output."""
    return digest(value)[:KEY_LENGTH]


def source_digest(*paths: Path) -> str:
    """One digest over the contents of source files."""
    return digest([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])


def is_done(folder: Path) -> bool:
    """Whether a stage's ``stage.json`` says that it completed. It is written last, so this is enough."""
    state = read_json(folder / "stage.json")
    return isinstance(state, dict) and state.get("state") == "done"


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file; a torn last line (a writer was killed) is left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the kernel frees it when this process ends, however it ends.

    Raises:
        InputError: another process holds it, or the folder cannot be written or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("a+")
    except OSError as error:
        problem = Problem(f"cannot be written: {error.strerror}", str(folder), "give another folder with --runs-dir")
        raise InputError(problem) from None
    with opened as file:
        try:
            _flock(file.fileno())
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                hint = "its file system has no locks: give a folder on another one with --runs-dir"
                raise InputError(Problem(f"cannot be locked: {error.strerror}", str(folder), hint)) from None
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise InputError(
                Problem(
                    f"another run works on this folder (process {holder})",
                    str(folder),
                    "wait for it, stop it, or give this one its own folder with --runs-dir",
                )
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _flock(descriptor: int) -> None:
    """Take a lock, for a second: `status` holds it for an instant when it asks whether a run goes on."""
    for attempt in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == 4:
                raise
            time.sleep(0.2)
