"""The answers behind results, gathered from the tables that the score stages keep."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.run.answer_tables import read_table, table_of
from orchestrator.run.rows import Scored
from orchestrator.scores.answer_file import packed


def answers_of(found: Sequence[Scored]) -> tuple[bytes, list[Path]]:
    """The content of an answers file with what some tasks' answers were, and the tables that cannot be read."""
    parts, lost = [], []
    for one in found:
        table = _table(one)
        try:
            state = table.stat()
            parts.append(_part(table, (state.st_mtime_ns, state.st_size), one.plan.recipe.name, one.task.name))
        except (InputError, OSError, ValueError, csv.Error):
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
    return table_of(one.job.stage("score").folder, one.task.name)


# what was scored before is written again with each task: of a sweep with 12 tasks that is hundreds (30 KB each)
@lru_cache(maxsize=2048)
def _part(table: Path, _state: tuple[int, int], recipe: str, task: str) -> bytes:
    return packed(read_table(table, recipe, task))
