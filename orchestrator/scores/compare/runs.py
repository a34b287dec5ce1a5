"""The runs that are compared: their results, and the answers behind them where these are at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InputError, Problem, capped, short
from orchestrator.scores.answer_file import answers_path, read_answers
from orchestrator.scores.compare.answers import Answers, gather
from orchestrator.scores.compare.sources import Source
from orchestrator.scores.results import OVERALL, ResultsRow

AGAIN = "run the recipe again, which writes both files; or remove the answers: intervals are then unpaired"
HALF = 0.005  # scores in a CSV have two decimals


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        name: its recipe's, with the file's or the folder's where two are called alike.
        path: the results CSV.
        rows: of its tasks, in the file's order.
        overall: the row of all of them; ``None`` where there is none.
        answers: by task; ``None``: not at hand.
    """

    name: str
    path: Path
    rows: Mapping[str, ResultsRow]
    overall: ResultsRow | None
    answers: Mapping[str, Answers] | None


def read_runs(
    sources: Sequence[Source], tasks: Collection[str] = (), *, anyway: bool = False
) -> tuple[list[Run], list[str]]:
    """Runs with their answers.

    Args:
        sources: which.
        tasks: only these; none: all.
        anyway: answers that are not those of the results are left out, not refused.

    Returns:
        The runs, and notes on answers that are not there or were left out.

    Raises:
        InputError: a file of answers is damaged, or does not belong to its results.
    """
    names = _names(sources)
    runs: list[Run] = []
    notes: list[str] = []
    problems: list[Problem] = []
    files: dict[Path, dict[str, dict[str, Answers]] | None] = {}
    for source, name in zip(sources, names, strict=True):
        path = answers_path(source.path)
        rows = {task: row for task, row in source.rows.items() if task != OVERALL and (not tasks or task in tasks)}
        try:
            if path not in files:
                files[path] = gather(read_answers(path), path) if path.exists() else None
        except InputError as error:
            files[path] = None
            problems += error.problems
        answers, file = None, files[path]
        if file is not None:
            answers = file.get(source.recipe, {})
            wrong = _strangers(rows, answers, source, path)
            if wrong and anyway:
                answers = None
                notes.append(f"{name}: its answers are not those of its results, and were left out")
            elif wrong:
                problems += wrong
        runs.append(Run(name, source.path, rows, source.rows.get(OVERALL), answers))
    if problems:
        raise InputError(capped(problems))
    return runs, notes


def _strangers(
    rows: Mapping[str, ResultsRow], answers: Mapping[str, Answers], source: Source, path: Path
) -> list[Problem]:
    """Why a file's answers are not those that a run's results were counted from."""
    problems = []
    for task, row in rows.items():
        if task not in answers:
            message = f"no answers of `{source.recipe}` to {task}, but {source.path.name} has its results"
            problems.append(Problem(message, str(path), AGAIN))
            continue
        held = answers[task]
        n, acc, f1 = len(held.ids), 100 * held.right / len(held.ids), 100 * held.macro_f1()
        if row["n"] != n:
            problems.append(_other(task, source, path, f"{n:,} answers", f"n is {row['n']:,}"))
        elif abs(acc - row["acc"]) > HALF + 1e-6:
            problems.append(_other(task, source, path, f"{acc:.2f} % right answers", f"acc is {row['acc']:.2f}"))
        elif abs(f1 - row["f1"]) > HALF + 1e-6:  # another run may well have as many right answers
            problems.append(_other(task, source, path, f"a macro F1 of {f1:.2f}", f"f1 is {row['f1']:.2f}"))
    return problems


def _other(task: str, source: Source, path: Path, held: str, told: str) -> Problem:
    message = f"these are not the answers of `{source.recipe}` to {task}: {held}, but in {source.path.name} {told}"
    return Problem(message, str(path), AGAIN)


def _names(sources: Sequence[Source]) -> list[str]:
    """A short name for each run, and another for each other one."""
    ways: tuple[Callable[[Source], str], ...] = (
        lambda source: source.recipe,
        lambda source: f"{source.path.absolute().parent.name}/{source.recipe}",
        lambda source: source.path.stem,
        lambda source: f"{source.path}:{source.recipe}",
    )
    names = [short(source.recipe, 200) for source in sources]
    for recipe in [name for name, count in Counter(names).items() if count > 1]:
        alike = [place for place, name in enumerate(names) if name == recipe]
        for way in ways:
            told = [way(sources[place]) for place in alike]
            if len(set(told)) == len(told) and not set(told) & (set(names) - {recipe}):
                break
        for place, name in zip(alike, told, strict=True):
            names[place] = name
    return names
