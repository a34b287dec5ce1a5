"""``cancel``: ends what runs of a run, and takes what waits out of Slurm's queue."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.run_folders import chosen_runs
from orchestrator.cli.stages_on_disk import running_jobs
from orchestrator.cli.table import counted, tell, wrapped
from orchestrator.errors import InputError, did_you_mean, listed
from orchestrator.launch.slurm import client
from orchestrator.launch.slurm.client import Queued
from orchestrator.launch.slurm.submitted import Submitted, read_submitted
from orchestrator.machine.leases import LOCK, Owner
from orchestrator.machine.presence import signs, tell_to_end

WAIT_SECONDS, LOOK_SECONDS = 150.0, 1.0  # longer than a job's grace
MOST_NAMED = 6


@dataclass(frozen=True)
class _Job:
    """What can be ended of a run: a job, as Slurm's ``number``; or a process, which ``file`` names, with its job."""

    run: Path
    name: str
    number: str = ""
    queued: Queued | None = None
    owner: Owner | None = None
    file: Path = Path()

    @property
    def waits(self) -> bool:
        return self.state == "pending"

    @property
    def state(self) -> str:
        return self.queued.state.lower() if self.queued else ""


def cancel_run(run: str, jobs: Sequence[str], runs_dir: Path, *, yes: bool) -> int:
    """End what runs or waits of a run, and say what that was; returns the exit status.

    Args:
        run: the name of one, or its recipe's file.
        jobs: only these; all if none.
        runs_dir: where the runs are.
        yes: do not ask.

    Returns:
        1 where something goes on that could not be ended, or has not ended yet.

    Raises:
        InputError: there is no such run or job, Slurm does not answer, or nobody can be asked.
    """
    runs = chosen_runs(run, runs_dir.expanduser())
    found = [one for folder in runs.values() for one in _jobs(folder)]
    if jobs:
        found = _named(found, jobs, run)
    ours = [one for one in found if one.number]
    here = {} if jobs else {one.owner.pid: one for one in found if one.owner and _is_here(one.owner)}
    left = [one for one in found if one.owner and not (_is_here(one.owner) and one.owner.pid in here)]
    for one in left:
        tell(wrapped(_elsewhere(one, run), "note: "))
    if not ours and not here:
        tell("nothing was cancelled" if left else f"nothing of {run} runs or waits")
        return 1 if left else 0
    if not yes and not _agreed(ours, list(here.values())):
        tell("nothing was cancelled")
        return 1
    ended = _end(ours, list(here.values()))
    tell(f"what is done stays; the same `run{' --on slurm' if ours else ''}` goes on from there")
    return 0 if ended and not left else 1


def _jobs(folder: Path) -> list[_Job]:
    """The jobs of a run that Slurm has, and those that somebody else works on."""
    owners, submitted = running_jobs(folder), read_submitted(folder)
    at_work = [*owners.values(), *signs(folder).values()]
    queued = _queued(folder, submitted, anyway=any(map(_is_here, at_work))) if submitted else {}
    found = [_Job(folder, name, entry.id, queued[entry.id]) for name, entry in submitted.items() if entry.id in queued]
    others = [(name, owner, folder / name / LOCK) for name, owner in owners.items()]
    working = {(owner.host, owner.pid) for owner in owners.values()}
    for file, owner in signs(folder).items():  # all that these have to do waits
        if (owner.host, owner.pid) not in working:
            others.append((folder.name, owner, file))
    return found + [
        _Job(folder, name, owner=owner, file=file) for name, owner, file in others if owner.scheduler_job not in queued
    ]


def _queued(folder: Path, submitted: Mapping[str, Submitted], *, anyway: bool) -> Mapping[str, Queued]:
    """What Slurm has of a run; ``anyway``: where it cannot be asked, there is something else to end."""
    try:
        return client.queued([entry.id for entry in submitted.values()])
    except InputError as error:
        if not anyway:
            raise
        tell(wrapped(f"what Slurm has of {folder.name} is not known here: {error.problems[0].message}", "note: "))
        return {}


def _named(found: Sequence[_Job], names: Sequence[str], run: str) -> list[_Job]:
    known = {one.name for one in found}
    if unknown := [name for name in names if name not in known]:
        hint = did_you_mean(unknown[0], known) or "`status` tells what runs or waits"
        raise InputError(f"{listed(unknown, MOST_NAMED)} of {run} neither runs nor waits", hint=hint)
    return [one for one in found if one.name in names]


def _is_here(owner: Owner) -> bool:
    return owner.host == socket.gethostname() and not owner.scheduler_job


def _elsewhere(one: _Job, run: str) -> str:
    """How a job is ended that cannot be ended from here."""
    assert one.owner
    if one.owner.scheduler_job:
        how = f"that job was not submitted from here: scancel {one.owner.scheduler_job}"
    elif _is_here(one.owner):
        how = f"it works on other jobs, too: `cancel {run}` without a job ends all of it"
    else:
        how = f"end it there: kill {one.owner.pid}, on {one.owner.host or 'its host'}"
    return f"{one.name}: {one.owner} works on it; {how}"


def _agreed(ours: Sequence[_Job], here: Sequence[_Job]) -> bool:
    """Whether the user wants what is shown ended."""
    for one in ours:
        tell(f"{one.name}: Slurm job {one.number}, {one.state}")
    for one in here:
        tell(f"{one.owner}, with all that its command runs")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("nobody can be asked here whether that is to end", hint="--yes ends it without asking")
    what = [counted(len(ours), "Slurm job")] if ours else []
    what += [f"{len(here)} process{'es' * (len(here) > 1)}"] if here else []
    try:
        said = input(f"End {' and '.join(what)}? [y/N] ")
    except EOFError:
        tell()
        return False
    return said.strip().lower() in ("y", "yes")


def _end(ours: Sequence[_Job], here: Sequence[_Job]) -> bool:
    """End jobs and processes, and wait for it; returns whether all have ended."""
    waited, ran = [one for one in ours if one.waits], [one for one in ours if not one.waits]
    for what, some in (("waited", waited), ("ran", ran)):  # the other way round, one would begin where another ends
        if some:
            client.cancel([one.number for one in some])
            tell(f"cancelled, which {what}: {listed([f'{one.name} ({one.number})' for one in some], MOST_NAMED)}")
    for one in here:
        tell(f"{'told' if tell_to_end(one.file) else 'cannot be told'} to end: {one.owner}")
    try:
        return _wait(lambda: _left(ours, here))
    except KeyboardInterrupt:
        tell("not waited for any longer: it ends without that")
        return False


def _left(ours: Sequence[_Job], here: Sequence[_Job]) -> list[str]:
    """What has not ended yet."""
    queued = client.queued([one.number for one in ours]) if ours else {}
    found = [f"Slurm job {one.number} ({queued[one.number].state.lower()})" for one in ours if one.number in queued]
    for one in here:
        at_work = [*running_jobs(one.run).values(), *signs(one.run).values()]
        if one.owner and one.owner.pid in {owner.pid for owner in at_work if _is_here(owner)}:
            found.append(f"process {one.owner.pid}")
    return found


def _wait(left: Callable[[], Sequence[str]]) -> bool:
    """Wait until all has ended, for some time; returns whether it has."""
    begun, told = time.monotonic(), False
    while names := left():
        waited = time.monotonic() - begun
        if waited > WAIT_SECONDS:
            tell(f"not ended yet: {listed(names, MOST_NAMED)}; `status` tells when it has")
            return False
        if not told and waited > 2 * LOOK_SECONDS:
            told = True
            tell(f"waiting for {listed(names, MOST_NAMED)} to finish what it writes (Ctrl-C: without waiting)")
        time.sleep(LOOK_SECONDS)
    tell("all has ended")
    return True
