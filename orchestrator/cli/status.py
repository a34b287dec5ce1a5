"""``status``: how far runs are, read from disk."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.cli.table import table, wrapped
from orchestrator.cli.tally import amount
from orchestrator.errors import InputError, did_you_mean, listed
from orchestrator.machine.leases import LOCK, Lease, died_here, owner_of, take
from orchestrator.machine.locks import is_running, unused
from orchestrator.machine.processes import end_below
from orchestrator.plan.commands import REQUESTS
from orchestrator.plan.record import STATE, Record, read
from orchestrator.plan.why import MOST_NAMED, version_of
from orchestrator.recipe.sweep_names import is_of_sweep
from orchestrator.run import RECIPE
from orchestrator.run.journals import JournalProgress
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import Progress


def print_status(run: str | None, runs_dir: Path, *, as_json: bool) -> None:
    """Print the stages of the runs, or of one and of its sweeps' combinations.

    What a killed run left running is ended, and that is said.

    Raises:
        InputError: there is no such run.
    """
    folders = run_folders(runs_dir)
    if run is not None:
        kept = Path(run).name == RECIPE and Path(run).absolute().parent.name in folders
        name = Path(run).absolute().parent.name if kept else Path(run).stem if run.endswith(".yaml") else run
        found = {other: folder for other, folder in folders.items() if other == name or is_of_sweep(other, name)}
        if not found:
            hint = did_you_mean(name, folders) or (f"runs: {', '.join(folders)}" if folders else "")
            raise InputError(f"no run `{name}` in {runs_dir}", hint=hint or "give its folder with --runs-dir")
        folders = found
    for folder in folders.values():
        if left := _ended(folder):
            print(f"{folder.name}: ended what a killed run left: process {', '.join(left)}", file=sys.stderr)
    if as_json:
        print(json.dumps({name: stages_on_disk(folder) for name, folder in folders.items()}, indent=2))
        return
    for name, folder in folders.items():
        print(f"{name}: {'running' if running_jobs(folder) else 'not running'}")
        print(table(stages_on_disk(folder)))
        for note in _of_other_versions(folder):
            print(wrapped(note, "note: "))
        print()
    if not folders:
        print(f"no runs in {runs_dir}")


def run_folders(runs_dir: Path) -> dict[str, Path]:
    """The folders of runs, by name: they hold a recipe, or a job that is worked on or that has stages."""
    signs = (RECIPE, f"*/{LOCK}", f"*/*/{STATE}")
    folders = (path for path in sorted(runs_dir.glob("*/")) if any(any(path.glob(sign)) for sign in signs))
    return {path.name: path for path in folders}


def running_jobs(folder: Path) -> set[str]:
    """The jobs of a run folder on which somebody works now."""
    whole = is_running(folder)  # a run of an earlier version has one lock for all its jobs
    return {job.name for job in folder.glob("*/") if whole or owner_of(job)}


def _ended(folder: Path) -> list[str]:
    """End what killed runs left running on this machine; returns which processes."""
    found = []
    with unused(folder) as certain:  # a run of an earlier version
        found += end_below(folder) if certain and not running_jobs(folder) else []
    for job in (path for path in folder.glob("*/") if died_here(path)):
        with contextlib.suppress(InputError):  # it cannot be written here
            lease = take(job)
            if isinstance(lease, Lease):
                found += end_below(job) if lease.unclean else []
                lease.release()
    return found


def stages_on_disk(folder: Path) -> list[dict[str, Any]]:
    """Every stage of a run folder with its state, in the order in which they began."""
    running = running_jobs(folder)
    records = [(path.parent, _readable(path.parent)) for path in folder.glob(f"*/*/{STATE}")]
    records.sort(key=lambda entry: _began(entry[1]))
    return [_row(path, record, path.parent.name in running) for path, record in records]


def _of_other_versions(folder: Path) -> Iterator[str]:
    """What is said of jobs whose stages earlier versions made, and that this one has not begun to do again."""
    made: dict[str, list[str]] = {}
    for job in sorted(path for path in folder.glob("*/") if path.is_dir()):
        records = [record for path in job.glob(f"*/{STATE}") if (record := read(path.parent))]
        versions = {version_of(record.inputs) for record in records}
        if records and "" not in versions:
            made.setdefault(" and ".join(sorted(versions)), []).append(job.name)
    for version, jobs in made.items():
        yield (
            f"{listed(jobs, MOST_NAMED)}: made by {version}: its keys mean other things; a run does it again and "
            "leaves what is there (`plan` says what)"
        )


def _readable(folder: Path) -> Record | None:
    """What a stage says of itself, where that is enough to show it."""
    record = read(folder)
    return record if record and record.job and record.attempts else None


def _began(record: Record | None) -> str:
    return record.attempts[0].started_at if record else ""


def _row(folder: Path, record: Record | None, running: bool) -> dict[str, Any]:
    """A stage in words; a damaged one, which the next run makes anew, by what its folder is called."""
    if record is None:
        name, state = f"{folder.parent.name}/{folder.name.rpartition('-')[0]}", "damaged"
    else:
        name, state = f"{record.job}/{record.stage}", record.state
    if state == "running" and not running:
        state = "stopped"  # whoever ran it was killed before it could say so
    return {
        "stage": name,
        "state": state,
        "progress": _progress(folder, record) if record and state != "done" else "",
        "seconds": record.seconds if record else None,
        "began": _began(record)[:19],
        "error": (record.error or "").split("\n")[0] if record else "",
        "folder": str(folder),
    }


def _progress(folder: Path, record: Record) -> str:
    """How far the toolkit's log, or the journals, say that a stage is; empty for a toolkit that cannot be asked."""
    progress = None
    if record.stage == "train":
        with contextlib.suppress(InputError):  # a toolkit that is gone since, or broken
            progress = registry.trainer(record.toolkit).train_progress(folder)
    elif record.stage == "infer":
        with contextlib.suppress(OSError):  # it has not come to its requests
            total = (folder / REQUESTS).read_bytes().count(b"\n")
            progress = JournalProgress(folder, total)() or Progress(0, total)
    return amount(progress, record.stage) if progress else ""
