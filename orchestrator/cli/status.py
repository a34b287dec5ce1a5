"""``status``: how far runs are, read from disk."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator.cli.on_disk import Reader
from orchestrator.cli.run_folders import chosen_runs
from orchestrator.cli.stages_on_disk import STAGE_ROW
from orchestrator.cli.table import json_text, table, tell, wrapped
from orchestrator.cli.watch import EVERY_SECONDS, about_run, watch_runs
from orchestrator.errors import InputError, listed
from orchestrator.machine.leases import Lease, died_here, take
from orchestrator.machine.processes import end_below
from orchestrator.plan.record import STATE, read
from orchestrator.plan.why import MOST_NAMED, version_of


def print_status(
    run: str | None, runs_dir: Path, *, as_json: bool, watch: bool = False, every: float = EVERY_SECONDS
) -> None:
    """Print the stages of the runs, or of one and of its sweeps' combinations.

    What a killed run left running is ended, and that is said.

    Args:
        run: the name of one, or its recipe's file; all if none.
        runs_dir: where the runs are.
        as_json: for programs.
        watch: until nothing runs any more.
        every: so many seconds.

    Raises:
        InputError: there is no such run; or a program cannot watch.
    """
    if watch and as_json:
        raise InputError("--json prints one state, --watch many", hint="leave one of them out")
    folders = chosen_runs(run, runs_dir)
    for folder in folders.values():
        if left := _ended(folder):
            tell(f"{folder.name}: ended what a killed run left: process {', '.join(left)}", file=sys.stderr)
    reader = Reader()
    if watch:
        watch_runs(lambda: reader.read(chosen_runs(run, runs_dir)), every)
        return
    found = reader.read(folders)
    if as_json:
        tell(json_text({name: one.as_json for name, one in found.items()}))
        return
    for name, one in found.items():
        tell(f"{name}: {one.state}")
        for line in about_run(one):
            tell(line)
        waiting = [dict.fromkeys(STAGE_ROW) | {"stage": name, "state": "waiting"} for name in one.waiting]
        tell(table([*(stage.row for stage in one.stages), *waiting]))
        if one.submitted:
            tell(f"\n{table([job.row for job in one.submitted])}")
        for note in (*([one.note] if one.note else []), *_of_other_versions(folders[name])):
            tell(wrapped(note, "note: "))
        tell()
    if not folders:
        tell(f"no runs in {runs_dir}")


def _ended(folder: Path) -> list[str]:
    """End what killed runs left running on this machine; returns which processes."""
    found = []
    for job in (path for path in folder.glob("*/") if died_here(path)):
        with contextlib.suppress(InputError):  # it cannot be written here
            lease = take(job)
            if isinstance(lease, Lease):
                found += end_below(job) if lease.unclean else []
                lease.release()
    return found


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
