"""Which runs are meant by what a user names: results CSVs, folders of them, patterns, names of runs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import InputError, Problem, did_you_mean, listed
from orchestrator.scores.answer_file import SUFFIX
from orchestrator.scores.results import OVERALL, ResultsRow, read_results

SHOWN = ("acc", "f1", "acc_ci_low", "acc_ci_high")  # percent, of each row


class Source(NamedTuple):
    """The rows of one run in a results CSV.

    Attributes:
        path: the file.
        recipe: the run's name in it.
        rows: by task, in the file's order, the overall one, too.
    """

    path: Path
    recipe: str
    rows: dict[str, ResultsRow]


def find_sources(named: Sequence[str], results_dir: Path) -> tuple[list[Source], list[str]]:
    """The runs that a user names.

    Args:
        named: results CSVs (or the answers beside them), folders, patterns such as ``results/qwen*.csv``, or names of
            runs in ``results_dir``.
        results_dir: where runs are looked for by name.

    Returns:
        The runs, each once, in the order in which they were named; and notes on files that were left out.

    Raises:
        InputError: there is no such thing, or a file that was named is no results CSV: all of them at once.
    """
    found: dict[tuple[str, str], Source] = {}
    notes: list[str] = []
    problems: list[Problem] = []
    for name in named:
        try:
            for source in _sources(name, results_dir, notes):
                found.setdefault((os.path.realpath(source.path), source.recipe), source)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return list(found.values()), list(dict.fromkeys(notes))


def _sources(name: str, results_dir: Path, notes: list[str]) -> Iterator[Source]:
    path = Path(name).expanduser()
    if path.name.endswith(SUFFIX):
        path = path.with_name(f"{path.name.removesuffix(SUFFIX)}.csv")
    if path.is_dir():
        yield from _many(sorted(path.glob("*.csv")), name, "`run` writes them to --results-dir", notes)
    elif path.exists():
        yield from _runs(path)
    elif glob.has_magic(name):
        files = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (a whole path, not what is below one)
        chosen = [Path(file) for file in files if file.endswith(".csv")]
        yield from _many(chosen, name, "a results CSV ends in .csv", notes)
    else:
        yield from _by_name(name, results_dir)


def _many(files: Sequence[Path], name: str, hint: str, notes: list[str]) -> Iterator[Source]:
    """The runs of files that were not named themselves: those that are not meant are left out."""
    some = False
    for file in files:
        try:
            sources = _runs(file)
        except InputError as error:
            if "not a results CSV" not in error.problems[0].message:
                raise
            notes.append(f"{file} is left out: it is no results CSV")
            continue
        if _is_aside(file, sources):
            notes.append(f"{file} is left out: a later run moved it aside (name the file itself to compare it)")
            continue
        some = True
        yield from sources
    if not some:
        raise InputError("no results CSV there", name, hint)


def _by_name(name: str, results_dir: Path) -> Iterator[Source]:
    """The runs of `<name>.csv` in a folder of results, or else the run of this name in any other file."""
    own = results_dir / f"{name}.csv"
    if own.is_file():
        yield from _runs(own)
        return
    known: dict[str, Source] = {}
    for file in sorted(results_dir.glob("*.csv")):
        try:
            sources = _runs(file)
        except InputError:
            continue  # what else lies there is not what was named
        if not _is_aside(file, sources):
            known |= {source.recipe: source for source in sources}
    if name not in known:
        near = "" if os.sep in name else did_you_mean(name, known)
        hint = near or f"give a results CSV, a folder of them, or the name of a run in {results_dir}"
        raise InputError("no such file, and no run of this name", name, hint)
    yield known[name]


def _runs(path: Path) -> list[Source]:
    """The runs in a file, in its order."""
    runs: dict[str, Source] = {}
    for row in read_results(path):
        if not any(row.values()):
            continue  # spreadsheets leave rows of commas
        recipe, task = str(row["recipe"] or path.stem), str(row["task"] or "no task")
        rows = runs.setdefault(recipe, Source(path, recipe, {})).rows
        if task in rows:
            hint = "run the recipe again: it writes the file anew"
            raise InputError(f"the run `{recipe}` has two rows of {task}", str(path), hint)
        wrong = [name for name in SHOWN if row[name] is None or not 0 <= row[name] <= 100]
        wrong += [name for name, sound in (("task", row["task"]), ("n", (row["n"] or 0) > 0)) if not sound]
        if wrong:
            hint = "run the recipe again: it writes the file anew"
            names = listed(wrong, len(wrong))
            raise InputError(f"the row of {task} of the run `{recipe}` has no {names} that can be", str(path), hint)
        rows[task] = row
    if empty := [run for run in runs.values() if not run.rows.keys() - {OVERALL}]:
        raise InputError(f"the run `{empty[0].recipe}` has no row of a task", str(path))
    if not runs:
        raise InputError("not a results CSV: it has no rows", str(path))
    return list(runs.values())


def _is_aside(path: Path, sources: Sequence[Source]) -> bool:
    """Whether a file was renamed by a run of other settings: its name ends in the id of its own run."""
    stem, _, tail = path.stem.rpartition(".")
    ids = {str(row["run_id"]) for source in sources for row in source.rows.values() if row["run_id"]}
    return bool(stem) and any(tail == run or tail.startswith(f"{run}-") for run in ids)
