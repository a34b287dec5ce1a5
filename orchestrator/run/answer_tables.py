"""What each sample was answered, beside its label: a file per task in a score stage's folder.

JSON lines, packed, as the answers beside the results: no text of a model's stands in a table that a spreadsheet opens.
Runs of earlier versions kept a CSV, which is still read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from orchestrator.machine.files import allow_long_fields
from orchestrator.scores.answer_file import SUFFIX, AnswerRow, read_answers, write_answers

EARLIER = ("id", "label", "answer", "parsed", "outcome", "error")  # columns of an earlier version's ``<task>.csv``


def table_of(folder: Path, task: str) -> Path:
    """Where a task's answers are in a score stage's folder."""
    own, earlier = folder / f"{task}{SUFFIX}", folder / f"{task}.csv"
    return earlier if earlier.exists() and not own.exists() else own


def task_of(table: Path) -> str:
    """The task whose answers a file holds."""
    return table.name.removesuffix(SUFFIX).removesuffix(".csv")


def write_table(folder: Path, task: str, rows: Iterable[AnswerRow]) -> None:
    """Write a task's answers, atomically."""
    write_answers(folder / f"{task}{SUFFIX}", rows)
    (folder / f"{task}.csv").unlink(missing_ok=True)


def read_table(table: Path, recipe: str, task: str) -> list[AnswerRow]:
    """A task's answers, as those of a recipe.

    Raises:
        InputError: the file is damaged.
        ValueError: an earlier version's file has other columns.
        csv.Error: the same is no table.
        OSError: it cannot be read.
    """
    if table.suffix == ".csv":
        return _earlier(table, recipe, task)
    return [row | {"recipe": recipe, "task": task} for row in read_answers(table)]


def _earlier(table: Path, recipe: str, task: str) -> list[AnswerRow]:
    allow_long_fields()
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        if tuple(next(reader, ())) != EARLIER:
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
