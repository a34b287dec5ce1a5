"""Results of other runs under the same name are somebody's days of GPU time: they are kept under another one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import InputError
from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.results import COLUMNS, FIRST, OVERALL, ResultsRow, read_results

# columns that differ where the same is found once more
OF_THE_MOMENT = (
    "run_id", "created_at", "git_commit", "train_seconds", "infer_seconds", "startup_seconds", "aborted_seconds",
)  # fmt: skip


class Found(NamedTuple):
    """Where a score comes from, which tells it from others of the same name."""

    recipe: str
    task: str
    run_id: str


def holds(path: Path, rows: Sequence[ResultsRow]) -> bool:
    """Whether a file holds these rows already, and maybe columns that somebody added."""
    try:
        return [_as_read(row) for row in rows] == (read_results(path) if path.exists() else None)
    except InputError:
        return False


def move_aside(path: Path, rows: Sequence[ResultsRow], replaced: Collection[Found]) -> Path | None:
    """Move a file of results, and their answers, where it holds other results than these rows; returns where to.

    Those of the same run are not other ones; nor are the same ones of a run whose scores were computed once more, which
    ``replaced`` names; nor those that were moved before.
    """
    if not path.exists():
        return None
    try:
        others = _others(path, rows, replaced)
    except InputError:
        others = {"unreadable"}
    if not others:
        return None
    content = path.read_bytes()
    numbers = ("", *(f"-{n}" for n in range(2, 10_000)))
    names = (path.with_name(f"{path.stem}.{max(others)}{number}.csv") for number in numbers)
    # results that were moved before, and shown again since, are there already
    aside = next(name for name in names if not name.exists() or name.read_bytes() == content)
    if answers_path(path).exists():
        answers_path(path).replace(answers_path(aside))
    path.replace(aside)
    return aside


def drop_copies(path: Path, runs: Collection[str]) -> None:
    """Remove what was moved aside and is shown under its own name again; a copy that somebody made stays."""
    content = path.read_bytes()
    for aside in _asides(path):
        if aside.name.startswith(tuple(f"{path.stem}.{run}" for run in runs)) and aside.read_bytes() == content:
            answers_path(aside).unlink(missing_ok=True)
            aside.unlink()


def _others(path: Path, rows: Sequence[ResultsRow], replaced: Collection[Found]) -> set[str]:
    """The runs of which a file holds results that stand nowhere else.

    Raises:
        InputError: it cannot be read.
    """
    old = [row for row in read_results(path) if row["task"] != OVERALL]
    # an earlier version's file says less of them
    names = FIRST if all(row[name] is None for row in old for name in set(COLUMNS) - set(FIRST)) else tuple(COLUMNS)
    told = {_told(row, names) for row in rows}
    known = {_found(row) for row in old}
    again = {_found(row) for row in old if _told(row, names) in told} & set(replaced)
    others = known - set(map(_found, rows)) - again
    for aside in _asides(path) if others else ():
        try:
            others -= {_found(row) for row in read_results(aside)}
        except InputError:
            continue  # a file of somebody's own
    return {str(one.run_id) for one in others}


def _asides(path: Path) -> Iterator[Path]:
    return path.parent.glob(f"{path.stem}.*{path.suffix}")


def _found(row: ResultsRow) -> Found:
    return Found(row["recipe"], row["task"], row["run_id"])


def _as_read(row: ResultsRow) -> ResultsRow:
    return {name: None if row.get(name) == "" else row.get(name) for name in COLUMNS}


def _told(row: ResultsRow, names: Sequence[str]) -> str:
    """What a row says besides when it was found, and how long that took."""
    read = _as_read(row)
    return repr([read[name] for name in names if name not in OF_THE_MOMENT])
