"""Results of what is done: rows to a CSV, and to whoever listens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from orchestrator.errors import InputError, listed
from orchestrator.machine.locks import waiting_lock
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run.listener import Listener
from orchestrator.run.rows import results_of, scored
from orchestrator.run.sweep_rows import among_others
from orchestrator.scores.results import COLUMNS, OVERALL, ResultsRow, read_results, write_results

LOCK = ".lock"
MOST_TASKS = 3  # named of those whose answers are odd alike
# columns that differ where the same is found once more
OF_THE_MOMENT = ("run_id", "created_at", "git_commit", "train_seconds", "infer_seconds")


def whole(asked: RecipeFiles, plan: Plan, seen: dict[str, str | None]) -> Plan:
    """The plan whose results are shown: of sft with the tasks that an earlier command did, too."""
    if asked.tasks and plan.recipe.method == "sft":
        return make_plan(asked.with_all_tasks(plan.recipe), plan.folder.parent, seen=seen)
    return plan


def results_name(plan: Plan) -> str:
    """Of a plan's results files, which it shares with the other combinations of its sweep."""
    return plan.recipe.results_name


def report(plans: Sequence[Plan], results_dir: Path, listener: Listener) -> None:
    """Write the results of each plan; those of a sweep's combinations to one file."""
    groups: dict[str, list[Plan]] = {}
    for plan in plans:
        groups.setdefault(results_name(plan), []).append(plan)
    for name, group in groups.items():
        if found := [(plan, rows) for plan in group if (rows := results_of(plan))]:
            path = results_dir / f"{name}.csv"
            results_dir.mkdir(parents=True, exist_ok=True)
            _write(path, group, [row for _, rows in found for row in rows], listener)
            for plan, rows in found:
                if plan.recipe.swept:
                    listener.line(f"{plan.recipe.name}:")
                listener.results(rows, path)
                for note in _notes(plan):
                    listener.line(f"note: {note}")


def _write(path: Path, group: Sequence[Plan], rows: Sequence[ResultsRow], listener: Listener) -> None:
    """Have a file hold the rows of some plans that share it, and with them those of the sweep's other combinations."""
    # of two runs that end together the second sees what the first wrote
    with waiting_lock(path.parent / LOCK, f"another run writes to {path.parent}: waiting for it"):
        everything = among_others(path, rows) if group[0].recipe.swept else rows
        if not _holds(path, everything):
            entries = ((plan.recipe.name, *one) for plan in group for one in scored(plan))
            replaced = {(name, task.name, run) for name, task, entry in entries for run in entry.replaces}
            if aside := _move_aside(path, everything, replaced):
                listener.line(f"{path} held other results: they are now in {aside}")
                everything = rows
            write_results(path, everything)
        _drop_copies(path, {str(row["run_id"]) for row in rows})


def _notes(plan: Plan) -> list[str]:
    """What was odd about the tasks' answers, as their score stages said; what is odd alike is said once."""
    tasks: dict[str, list[str]] = {}
    for task, entry in scored(plan):
        for note in entry.notes:
            tasks.setdefault(note, []).append(task.name)
    return [f"{listed(names, MOST_TASKS)}: {note}" for note, names in tasks.items()]


def _holds(path: Path, rows: Sequence[ResultsRow]) -> bool:
    """Whether a file holds these rows already, and maybe columns that somebody added."""
    try:
        return [_as_read(row) for row in rows] == (read_results(path) if path.exists() else None)
    except InputError:
        return False


def _as_read(row: ResultsRow) -> ResultsRow:
    return {name: None if row.get(name) == "" else row.get(name) for name in COLUMNS}


def _told(row: ResultsRow) -> str:
    """What a row says besides when it was found, and how long that took."""
    return repr([(name, value) for name, value in _as_read(row).items() if name not in OF_THE_MOMENT])


def _of(row: ResultsRow) -> tuple[str, str, str]:
    return row["recipe"], row["task"], row["run_id"]


def _move_aside(path: Path, rows: Sequence[ResultsRow], replaced: Collection[tuple[str, str, str]]) -> Path | None:
    """Keep results other than these rows under another name: they are somebody's days of GPU time.

    Those of the same run are not other ones; nor are the same ones of a run whose scores were computed once more, which
    ``replaced`` names by recipe and task.
    """
    if not path.exists():
        return None
    mine = set(map(_of, rows))
    told = {_told(row) for row in rows}
    try:
        old = [row for row in read_results(path) if row["task"] != OVERALL]
        known = set(map(_of, old))
        again = {_of(row) for row in old if _told(row) in told} & set(replaced)
        others = {run for _, _, run in known - mine - again}
    except InputError:
        others = {"unreadable"}
    if not others:
        return None
    stem = f"{path.stem}.{max(map(str, others))}"
    content = path.read_bytes()
    names = (path.with_name(f"{stem}{number}.csv") for number in ("", *(f"-{n}" for n in range(2, 10_000))))
    # results that were moved before, and shown again since, are there already
    aside = next(name for name in names if not name.exists() or name.read_bytes() == content)
    path.replace(aside)
    return aside


def _drop_copies(path: Path, runs: Collection[str]) -> None:
    """Remove what was moved aside and is shown under its own name again; a copy that somebody made stays."""
    content = path.read_bytes()
    for aside in path.parent.glob(f"{path.stem}.*{path.suffix}"):
        if aside.name.startswith(tuple(f"{path.stem}.{run}" for run in runs)) and aside.read_bytes() == content:
            aside.unlink()
