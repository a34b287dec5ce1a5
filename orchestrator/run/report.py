"""Results of what is done: rows to a CSV, and to whoever listens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.machine.locks import waiting_lock
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import RecipeFiles
from orchestrator.run.listener import Listener
from orchestrator.run.rows import results_of, scored
from orchestrator.scores.results import OVERALL, ResultsRow, read_results, write_results

LOCK = ".lock"


def report(asked: RecipeFiles, plans: Sequence[Plan], results_dir: Path, listener: Listener) -> None:
    """Write the results of each plan; of sft, those of tasks that an earlier command did, too."""
    for file, plan in zip(asked.files, plans, strict=True):
        whole = plan
        if asked.tasks and plan.recipe.method == "sft":
            whole = make_plan(asked.with_all_tasks(file), plan.folder.parent)
        if rows := results_of(whole):
            path = results_dir / f"{plan.recipe.name}.csv"
            # of two runs that end together the second sees what the first wrote
            with waiting_lock(results_dir / LOCK, f"another run writes to {results_dir}: waiting for it"):
                if aside := _move_aside(path, rows):
                    listener.line(f"{path} held results of other settings: they are now in {aside}")
                write_results(path, rows)
                _drop_copies(path)
            listener.results(rows, path)
            for note in _notes(whole):
                listener.line(f"note: {note}")


def _notes(plan: Plan) -> list[str]:
    """What was odd about a task's answers, as its score stage said."""
    return [f"{task.name}: {note}" for task, entry in scored(plan) for note in entry["notes"]]


def _move_aside(path: Path, rows: Sequence[ResultsRow]) -> Path | None:
    """Keep results of other settings than these rows under another name: they are somebody's days of GPU time."""
    if not path.exists():
        return None
    try:
        old = {(row["task"], row["run_id"]) for row in read_results(path) if row["task"] != OVERALL}
    except InputError:
        old = {("", "unreadable")}
    if old <= {(row["task"], row["run_id"]) for row in rows}:
        return None
    stem = f"{path.stem}.{max(str(run) for _, run in old)}"
    content = path.read_bytes()
    names = (path.with_name(f"{stem}{number}.csv") for number in ("", *(f"-{n}" for n in range(2, 10_000))))
    # results that were moved before, and shown again since, are there already
    aside = next(name for name in names if not name.exists() or name.read_bytes() == content)
    path.replace(aside)
    return aside


def _drop_copies(path: Path) -> None:
    """Remove what was moved aside and is shown under its own name again."""
    content = path.read_bytes()
    for aside in path.parent.glob(f"{path.stem}.*{path.suffix}"):
        if aside.read_bytes() == content:
            aside.unlink()
