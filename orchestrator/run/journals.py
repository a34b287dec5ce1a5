"""The answers of inference processes: a journal each, joined into one, and mended where lines of it were damaged.

A process that is one of several writes ``predictions.<number>.jsonl``. Before and after a launch all of these are
joined to ``predictions.jsonl``, so that it does not matter how many processes there were last time, or when they were
killed.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from orchestrator.machine.files import atomic_write
from orchestrator.plan.commands import PREDICTIONS, shard_predictions
from orchestrator.toolkits.base import Progress, Say, ignore

Prediction = dict[str, Any]


def join(folder: Path, asked: Collection[str] | None = None, say: Say = ignore) -> int:
    """Have one journal hold what all the processes wrote, each request once; returns how many requests it answers.

    Lines that a killed process left half written are dropped, and so are damaged ones, which are then asked again; so
    is a first run's journal of nothing but errors, whose process may have had a broken GPU: its requests are asked
    again, once. May itself be killed at any moment.

    Args:
        folder: that of the journals.
        asked: the ids of the requests; answers to others are dropped.
        say: told how many lines were damaged.
    """
    journal, parts = folder / PREDICTIONS, sorted(folder.glob(shard_predictions("*")))
    if not parts and not journal.exists():
        return 0
    known: dict[str, bytes] = {}
    lost = 0
    first = True
    for path in (journal, *parts):
        content = path.read_bytes() if path.exists() else b""
        found, bad = _read(content, asked)
        lost += bad
        # of the first journal too few may be left to tell
        if all("error" in entry for _, entry in found) and (path == journal or (first and len(found) > 1)):
            found = []  # their cause may be gone, and there is nothing to lose
        for line, entry in found:
            known.setdefault(entry["id"], line)
        if path == journal:
            first = not found
            before = content
    if lost:
        say(f"{lost:,} damaged lines of {PREDICTIONS} are left out, and what they answered is asked again")
    after = b"".join(known.values())
    if after != before:
        atomic_write(journal, after)
    for part in parts:
        part.unlink()
    return len(known)


def drop_errors(folder: Path) -> int:
    """Take the errors out of a folder's journal, so that their requests are asked again; returns how many."""
    join(folder)
    journal = folder / PREDICTIONS
    entries, _ = _read(journal.read_bytes() if journal.exists() else b"")
    good = [line for line, entry in entries if "error" not in entry]
    if len(good) < len(entries):
        atomic_write(journal, b"".join(good))
    return len(entries) - len(good)


def predictions_in(folder: Path) -> dict[str, Prediction]:
    """The answers in a folder's journal by request; damaged lines are left out."""
    journal = folder / PREDICTIONS
    entries, _ = _read(journal.read_bytes() if journal.exists() else b"")
    return {entry["id"]: entry for _, entry in reversed(entries)}


def _read(content: bytes, asked: Collection[str] | None = None) -> tuple[list[tuple[bytes, Prediction]], int]:
    """The sound lines of a journal, and how many whole ones are damaged."""
    lines = [line + b"\n" for line in content.split(b"\n")[:-1]]
    found = [(line, entry) for line in lines if (entry := _sound(line)) and (asked is None or entry["id"] in asked)]
    return found, len(lines) - len(found)


def _sound(line: bytes) -> Prediction | None:
    """The prediction on a line: an id, and a text or an error."""
    try:
        entry = json.loads(line.decode())  # from bytes JSON also takes what begins with a byte order mark
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return None
    if not isinstance(entry.get("seconds", 0.0), int | float):
        return None
    return entry if isinstance(entry.get("error", entry.get("text")), str) else None


class JournalProgress:
    """Counts the answers in a folder's journals, reading only what came since it was last asked."""

    def __init__(self, folder: Path, total: int):
        self.folder, self.total = folder, total
        self.offsets: dict[Path, int] = {}
        self.count = 0

    def __call__(self) -> Progress | None:
        """How many requests are answered."""
        for path in (self.folder / PREDICTIONS, *self.folder.glob(shard_predictions("*"))):
            try:
                with path.open("rb") as file:
                    file.seek(self.offsets.get(path, 0))
                    new = file.read()
            except OSError:
                continue
            self.offsets[path] = self.offsets.get(path, 0) + len(new)
            self.count += new.count(b"\n")
        return Progress(self.count, self.total) if self.offsets else None
