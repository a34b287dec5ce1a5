"""Finding what nobody needs any more in the folders of runs, and removing it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import InputError, Problem, remedy
from orchestrator.launch.slurm import client
from orchestrator.launch.slurm.submitted import read_submitted
from orchestrator.machine.leases import Owner, owner_of, take
from orchestrator.machine.presence import present
from orchestrator.machine.processes import end_below
from orchestrator.plan.record import STATE
from orchestrator.run import RECIPE
from orchestrator.run.at_hand import AtHand
from orchestrator.run.leftovers import Leftover, Stays, bytes_of, in_job
from orchestrator.run.remove import half_removed, remove

UNKNOWN = "no recipe at hand leads there, and it keeps none"
REFUSED = "see who owns it and whether its folder can be written (ls -ld), then run the same command again"


@dataclass(frozen=True)
class Run:
    """What was found in a run's folder.

    Attributes:
        folder: the run's.
        leftovers: what can be removed.
        stays: what no recipe leads to and is left alone, scores aside.
        alone: why a job is left alone, by its name: somebody works on it, for example.
        note: why nothing of it was looked at; empty where it was.
    """

    folder: Path
    leftovers: Sequence[Leftover] = ()
    stays: Sequence[Stays] = ()
    alone: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass
class Removal:
    """What came of a removal.

    Attributes:
        bytes: freed.
        gone: what was removed.
        left: what was left, and why: it is needed by now, or somebody works on it.
        problems: what could not be removed, and why.
        ended: processes that killed runs had left running there.
    """

    bytes: int = 0
    gone: list[Path] = field(default_factory=list)
    left: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


def find(at_hand: AtHand, runs_dir: Path) -> list[Run]:
    """Look at the runs that a command is about; nothing is changed.

    Raises:
        InputError: a folder cannot be read.
    """
    try:
        return [run for folder in at_hand.runs(runs_dir) if (run := _look(at_hand, folder))]
    except OSError as error:
        where = str(error.filename or runs_dir)
        raise InputError(f"cannot be read: {error.strerror}", where, remedy(error.errno)) from None


def _look(at_hand: AtHand, folder: Path) -> Run | None:
    """What is in a folder of the runs folder; ``None`` where it is of no run."""
    if not (folder / RECIPE).is_file() and next(folder.glob(f"*/*/{STATE}"), None) is None:
        return None
    if folder.is_symlink():
        return Run(folder, note=f"it is a link to {folder.readlink()}")
    try:
        jobs = at_hand.jobs_of(folder)
    except InputError as error:
        return Run(folder, note=f"what its recipe leads to cannot be told: {error}")
    if not jobs:
        return Run(folder, note=UNKNOWN)
    found: list[Leftover | Stays] = []
    alone, waiting = {}, _waiting(folder)
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or (at_hand.jobs and path.name not in at_hand.jobs):
            continue
        if why := f"it is a link to {path.readlink()}" if path.is_symlink() else _worker(path, waiting):
            alone[path.name] = why
        else:
            found += in_job(path, jobs.get(path.name, ()))
    leftovers = [one for one in found if isinstance(one, Leftover)]
    return Run(folder, leftovers, [one for one in found if isinstance(one, Stays) and one.why], alone)


def remove_all(
    at_hand: AtHand, wanted: Collection[Leftover], say: Callable[[Leftover], None] = lambda _: None
) -> Removal:
    """Remove what is wanted gone, as far as nobody needs it by now and nobody works on its job.

    Args:
        at_hand: as it was found with.
        wanted: what is to go.
        say: told of each when it is its turn.
    """
    done = Removal()
    folders: dict[Path, list[Leftover]] = {}
    for one in wanted:
        folders.setdefault(one.job, []).append(one)
    for folder, some in folders.items():
        with _held(folder) as who:
            done.ended += [] if who else end_below(folder)
            now = {} if who else {one.path: one for one in _again(at_hand, folder) if isinstance(one, Leftover)}
            for one in some:
                say(one)
                if one.path in now:
                    _remove(now[one.path], done)
                else:
                    done.left[one.path] = who or "it is needed by now, or gone"
    return done


def _again(at_hand: AtHand, folder: Path) -> Iterator[Leftover | Stays]:
    """What is in a job's folder now: a run may have ended since it was looked at, and made use of some of it."""
    with contextlib.suppress(InputError):  # its recipe cannot be read any more
        yield from in_job(folder, at_hand.jobs_of(folder.parent).get(folder.name, ()))


def _worker(job: Path, waiting: Mapping[str, str]) -> str:
    """Who works on a job, or will, in words; empty: nobody."""
    owner = owner_of(job) or next(present(job.parent), None)  # between two stages nobody has a job
    return f"{owner} works on it" if owner else waiting.get(job.name, "")


def _waiting(run: Path) -> dict[str, str]:
    """The jobs of a run that are in Slurm's queue: each does the recipe as it was when it was submitted."""
    submitted = read_submitted(run) if client.here() else {}
    try:
        queued = client.queued([entry.id for entry in submitted.values()])
    except InputError as error:
        return dict.fromkeys(submitted, f"whether it waits in Slurm's queue is not known: {error.problems[0].message}")
    return {job: f"it waits or runs as Slurm job {entry.id}" for job, entry in submitted.items() if entry.id in queued}


@contextlib.contextmanager
def _held(job: Path) -> Iterator[str]:
    """Be the only one to work on a job; yields why that cannot be, empty where it is."""
    try:
        lease = take(job)
    except InputError as error:
        yield str(error)
        return
    if isinstance(lease, Owner):
        yield f"{lease} works on it"
        return
    try:
        yield ""
    finally:
        lease.release()


def _remove(leftover: Leftover, done: Removal) -> None:
    path = leftover.path
    try:
        remove(path)
        done.gone.append(path)
        rest = 0
    except OSError as error:
        rest = sum(bytes_of(left) for left in {path, half_removed(path)} if left.exists())
        where = error.filename or path
        done.problems.append(Problem(f"cannot be removed: {error.strerror}", str(where), REFUSED))
    done.bytes += max(0, leftover.bytes - rest)
