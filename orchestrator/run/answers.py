"""The answers behind results, gathered from the tables that the score stages keep."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from orchestrator.machine.files import allow_long_fields
from orchestrator.run.rows import Scored
from orchestrator.run.stages.score import TABLE
from orchestrator.scores.answer_file import AnswerRow, packed


def answers_of(found: Sequence[Scored]) -> tuple[bytes, list[Path]]:
    """The content of an answers file with what some tasks' answers were, and the tables that cannot be read."""
    parts, lost = [], []
    for one in found:
        table = _table(one)
        try:
            state = table.stat()
            parts.append(_part(table, (state.st_mtime_ns, state.st_size), one.plan.recipe.name, one.task.name))
        except (OSError, ValueError, csv.Error):
            lost.append(table)
    return b"".join(parts), lost


def are_written(path: Path, count: int, found: Sequence[Scored]) -> bool:
    """Whether a file is whole, holds so many answers and was written after the tables that these tasks' come from."""
    try:
        written = path.stat().st_mtime_ns
        if any(_table(one).stat().st_mtime_ns > written for one in found):
            return False
        with gzip.open(path) as file:
            return file.read().count(b"\n") == count
    except (OSError, EOFError, zlib.error):
        return False


def _table(one: Scored) -> Path:
    return one.job.stage("score").folder / f"{one.task.name}.csv"


# what was scored before is written again with each task: of a sweep with 12 tasks that is hundreds (30 KB each)
@lru_cache(maxsize=2048)
def _part(table: Path, _state: tuple[int, int], recipe: str, task: str) -> bytes:
    return packed(_rows(table, recipe, task))


def _rows(table: Path, recipe: str, task: str) -> list[AnswerRow]:
    allow_long_fields()
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        if tuple(next(reader, ())) != TABLE:
            raise ValueError(f"{table} has other columns")
        return [
            {
                "recipe": recipe,
                "task": task,
                "id": name,
                "label": label,
                "answer": None if outcome == "error" else answer,  # an empty text is another thing than none
                "parsed": parsed or None,
                "outcome": outcome,
                "error": error or None,
            }
            for name, label, answer, parsed, outcome, error in reader
        ]
