"""Results of what is done: rows to a CSV, the answers beside it, and both to whoever listens."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import groupby, starmap
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import InputError, StageError, listed
from orchestrator.machine.files import atomic_write
from orchestrator.machine.leases import Busy, alone
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Job, Plan
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run.answer_tables import task_of
from orchestrator.run.answers import answers_of, are_written
from orchestrator.run.aside import Found, drop_copies, holds, move_aside
from orchestrator.run.listener import Listener, Places
from orchestrator.run.rows import Scored, results_of, scored
from orchestrator.run.sweep_rows import among_others, answers_among_others
from orchestrator.run.weights import weights_of
from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.results import OVERALL, ResultsRow, write_results
from orchestrator.toolkits.base import Say

WRITING = ".writing"  # the folder, beside results, of whoever writes them
WAIT_SECONDS = 0.2  # for another run's writing, while stages run: signs of life and the user's Ctrl-C cannot wait
MOST_TASKS = 3  # named of those whose answers are odd alike


def whole(asked: RecipeFiles, plan: Plan, seen: dict[str, str | None]) -> Plan:
    """The plan whose results are shown: of sft with the tasks that an earlier command did, too."""
    if asked.tasks and plan.recipe.method == "sft":
        return make_plan(asked.with_all_tasks(plan.recipe), plan.folder.parent, seen=seen)
    return plan


def results_name(plan: Plan) -> str:
    """The name of the file that a plan's results go to, without its suffix; those of a sweep share it."""
    return plan.recipe.results_name


def report(plans: Sequence[Plan], results_dir: Path, listener: Listener) -> None:
    """Write the results of plans, and tell them."""
    for name in dict.fromkeys(map(results_name, plans)):
        path = results_dir / f"{name}.csv"
        written = _write(path, plans, listener.line)
        if not written.rows:
            continue
        listener.results(written.rows, Places(path, answers_path(path), weights_of(written.found)))
        for note in _notes(written.found):
            listener.line(f"note: {note}")
        for table in written.lost:
            listener.line(
                f"note: the answers of {task_of(table)} are not in {answers_path(path)}: {table} cannot be read; "
                f"to have it written again: rm -r {table.parent}, and run the same command again"
            )


def report_jobs(jobs: Sequence[tuple[Plan, Job]], plans: Sequence[Plan], results_dir: Path, listener: Listener) -> str:
    """Write the results as they are now that jobs were scored, and tell theirs; what hinders is told at the end.

    Args:
        jobs: those jobs.
        plans: those whose results are shown, of which some share a file.
        results_dir: where results go.
        listener: told.

    Returns:
        Who writes there just now, so that it is to be tried again; empty: it was done.
    """
    busy = ""
    tasks = {(plan.recipe.name, task.name) for plan, job in jobs for task in job.tasks}
    for name in dict.fromkeys(results_name(plan) for plan, _ in jobs):
        try:
            rows = _write(results_dir / f"{name}.csv", plans, listener.line, WAIT_SECONDS).rows
        except Busy as error:
            busy = str(error)
        except (OSError, InputError, StageError) as error:
            listener.line(f"note: the results are not written yet, the end of the run tries again: {error}")
        else:
            listener.scored([row for row in rows if (row["recipe"], row["task"]) in tasks])
    return busy


def write_missing(plan: Plan, path: Path, say: Say) -> None:
    """Write the results of a plan that was scored where their file lacks them: whoever scored it was killed then.

    Args:
        plan: whose results are looked at.
        path: their file, which no other recipe's results share.
        say: told what cannot be written, and what else a user should know.
    """
    try:
        _write(path, [plan], say, WAIT_SECONDS)
    except Busy:  # who writes there knows of it, or the next look does
        pass
    except (OSError, InputError, StageError) as error:
        say(f"note: results are not written yet: {error}")


class _Written(NamedTuple):
    """What was scored, its rows, and the tables whose answers were lost."""

    found: Sequence[Scored] = ()
    rows: Sequence[ResultsRow] = ()
    lost: Sequence[Path] = ()


def _rows(found: Sequence[Scored]) -> list[ResultsRow]:
    """Their rows, those of each plan with its overall row behind them."""
    return [row for _, some in groupby(found, lambda one: id(one.plan)) for row in results_of(list(some))]


def _write(path: Path, plans: Sequence[Plan], say: Say, most: float | None = None) -> _Written:
    """Have a file hold the rows of what is scored by now, and the file beside it the answers.

    Raises:
        Busy: another run has been writing there for ``most`` seconds.
    """
    mine = [plan for plan in plans if results_name(plan) == path.stem]
    if not any(job.stage("score").folder.exists() for plan in mine for job in plan.jobs):
        return _Written()
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path.parent / WRITING, f"another run writes to {path.parent}: waiting for it", most):
        # looked at now: of two runs that end together the second sees what the first did, and what it wrote
        found = [one for plan in mine for one in scored(plan)]
        rows = _rows(found)
        return _Written(found, rows, _merge(path, rows, found, say)) if rows else _Written()


def _merge(path: Path, rows: Sequence[ResultsRow], found: Sequence[Scored], say: Say) -> Sequence[Path]:
    """As `_write`, while nobody else writes there; returns the tables that answers were lost with."""
    answers = answers_path(path)
    for left in (one for file in (path, answers) for one in path.parent.glob(f".{glob.escape(file.name)}.*.tmp")):
        left.unlink(missing_ok=True)  # half a file of a run that was killed
    everything = among_others(path, rows) if found[0].plan.recipe.swept else rows
    lost: Sequence[Path] = ()
    count = sum(row["n"] for row in everything if row["task"] != OVERALL)
    known = holds(path, everything)
    if not known:
        replaced = {Found(one.job.recipe.name, one.task.name, run) for one in found for run in one.entry.replaces}
        if aside := move_aside(path, everything, replaced):
            say(f"{path} held other results: they are now in {aside}")
            everything = rows
    if not known or not are_written(answers, count, found):
        content, lost = answers_of(found)
        others = {row["recipe"] for row in everything} - {row["recipe"] for row in rows}
        content = _others(answers, others, say) + content
        if not answers.exists() or answers.read_bytes() != content:
            atomic_write(answers, content)
    if not known:
        write_results(path, everything)
    drop_copies(path, {str(row["run_id"]) for row in rows})
    return lost


def _others(path: Path, recipes: Collection[str], say: Say) -> bytes:
    """The answers of other combinations of a sweep in the file of all; nothing where it is damaged, which is told."""
    try:
        return answers_among_others(path, recipes)
    except InputError as error:
        say(
            f"note: {error}\n    it is written anew, without the answers of {listed(sorted(recipes), MOST_TASKS)}: "
            "the command that ran these adds them, and does nothing else again"
        )
        return b""


def _notes(found: Sequence[Scored]) -> list[str]:
    """What was odd about the tasks' answers, as their score stages said; what is odd alike is said once."""
    tasks: dict[str, Counter[str]] = {}
    for one in found:
        for note in one.entry.notes:
            tasks.setdefault(note, Counter())[one.task.name] += 1
    return [f"{listed(list(starmap(_in_runs, counts.items())), MOST_TASKS)}: {note}" for note, counts in tasks.items()]


def _in_runs(task: str, runs: int) -> str:
    """A task's name and, of a sweep, in how many of its runs."""
    return f"{task} ({runs} runs)" if runs > 1 else task
