"""The answers of several inference processes that share the requests: one journal each, joined into one.

A process that is one of several writes ``predictions.<number>.jsonl``. Before and after a launch all of these are
joined to ``predictions.jsonl``, so that it does not matter how many processes there were last time, or when they were
killed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from orchestrator.plan.commands import PREDICTIONS, shard_predictions
from orchestrator.toolkits.base import Progress


def join(folder: Path) -> None:
    """Append to the journal what the processes' own journals hold, each request once, and remove these.

    Lines that a killed process left half written are dropped; so is a first run's journal of nothing but errors, whose
    process may have had a broken GPU: its requests are asked again, once. May itself be killed at any moment.
    """
    parts = sorted(folder.glob(shard_predictions("*")))
    journal = folder / PREDICTIONS
    if not parts and not journal.exists():
        return
    with journal.open("a+b") as file:
        known = _cut(file.fileno(), journal)
        first = not known
        for part in parts:
            content = part.read_bytes()
            lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
            entries = [json.loads(line) for line in lines]
            if first and len(entries) > 1 and all("error" in entry for entry in entries):
                continue
            for line, entry in zip(lines, entries, strict=True):
                if entry["id"] not in known:
                    known.add(entry["id"])
                    file.write(line)
        file.flush()
        os.fsync(file.fileno())
    for part in parts:
        part.unlink()


def _cut(file: int, journal: Path) -> set[str]:
    """The ids in the journal, which is cut behind its last whole line, or emptied where it holds nothing but errors."""
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    entries = [json.loads(line) for line in content[:whole].splitlines()]
    if entries and all("error" in entry for entry in entries):
        whole, entries = 0, []  # their cause may be gone, and there is nothing to lose
    if whole < len(content):
        os.ftruncate(file, whole)
    return {entry["id"] for entry in entries}


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
