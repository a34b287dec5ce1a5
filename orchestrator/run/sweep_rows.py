"""The results of a sweep go on in one file: each command adds its combinations, and keeps those of earlier ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.scores.answer_file import packed, read_answers
from orchestrator.scores.results import ResultsRow, read_results


def among_others(path: Path, rows: Sequence[ResultsRow]) -> list[ResultsRow]:
    """The rows of some recipes with those that a file holds of others, each recipe's where the file has it.

    Args:
        path: the file; one that is missing or damaged holds nothing.
        rows: those of one recipe stand together.
    """
    try:
        there = read_results(path) if path.exists() else []
    except InputError:
        there = []  # what is done with such a file is `report`'s matter
    mine: dict[str, list[ResultsRow]] = {}
    for row in rows:
        mine.setdefault(row["recipe"], []).append(row)
    found: dict[str, list[ResultsRow]] = {}
    for row in there:
        if row["recipe"] in mine:
            found[row["recipe"]] = mine[row["recipe"]]
        else:
            found.setdefault(row["recipe"], []).append(row)
    return [row for group in (found | mine).values() for row in group]


def answers_among_others(path: Path, recipes: Collection[str]) -> bytes:
    """What a file holds of the answers of some recipes, as a part of such a file.

    Raises:
        InputError: it is missing or damaged.
    """
    rows = [row for row in read_answers(path) if row["recipe"] in recipes] if recipes else []
    return packed(rows) if rows else b""
