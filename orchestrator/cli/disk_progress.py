"""How far a stage is, and how long it still takes, as its folder tells."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.plan.commands import REQUESTS
from orchestrator.plan.record import Record
from orchestrator.run.journals import JournalProgress
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import Progress

EARLY = 0.05  # of a stage: until then loading counts too much, where nobody told how long it took


def progress_of(folder: Path, record: Record) -> Progress | None:
    """How far the toolkit's log, or the journals, say that a stage is; none for a toolkit that cannot be asked."""
    if record.stage == "train":
        with contextlib.suppress(InputError):  # a toolkit that is gone since, or broken
            return registry.trainer(record.toolkit).train_progress(folder)
    elif record.stage == "infer":
        with contextlib.suppress(OSError):  # it has not come to its requests
            total = (folder / REQUESTS).read_bytes().count(b"\n")
            return JournalProgress(folder, total)() or Progress(0, total)
    return None


def elapsed_of(record: Record) -> float:
    """Seconds since the last attempt at a stage began."""
    started = datetime.fromisoformat(record.attempts[-1].started_at)
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - started).total_seconds())


def left_of(record: Record, progress: Progress | None, elapsed: float) -> float | None:
    """Seconds that a running stage still takes, by its speed since its last attempt began so many seconds ago."""
    if progress is None:
        return None
    attempt = record.attempts[-1]
    if attempt.resumed_from is None and len(record.attempts) > 1:
        return None  # nobody knows what of it is new
    found = re.search(r"(\d+)(?: answers)?$", attempt.resumed_from or "")
    begun = int(found[1]) if found else 0
    done, work = progress.done - begun, elapsed - (attempt.startup_seconds or 0.0)
    if done <= 0 or work <= 0 or (attempt.startup_seconds is None and done < EARLY * (progress.total - begun)):
        return None
    return round((progress.total - progress.done) * work / done, 1)
