"""What was submitted, kept beside the run: ``runs/<recipe>/slurm.json``, read and written here alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from orchestrator.machine.files import read_json, write_json
from orchestrator.machine.leases import alone

SUBMITTED = "slurm.json"
FOLDER = "slurm"  # in a run's folder: scripts, recipes as submitted, logs
_LOCK = ".submitting"


@dataclass(frozen=True)
class Submitted:
    """One job's last submission.

    Attributes:
        id: Slurm's number, ``123_4``; of a site without arrays ``123``.
        when: UTC in ISO 8601.
        script: the script's file, in the run's folder for Slurm.
        log: the job's log, there, too.
        work: a hash of all that the job was to do: another one means other settings or other data.
        results: the CSV that its results go to.
    """

    id: str
    when: str
    script: str
    log: str
    work: str
    results: str = ""


def read_submitted(run: Path) -> dict[str, Submitted]:
    """What was submitted of a run, by job; nothing where there is no such file, or a damaged one.

    Args:
        run: the run's folder.
    """
    found = read_json(run / SUBMITTED)
    names = [field.name for field in fields(Submitted)]
    held = found.items() if isinstance(found, dict) else ()
    entries = [(job, {"results": ""} | entry) for job, entry in held if isinstance(entry, dict)]
    return {
        job: Submitted(**{name: entry[name] for name in names})
        for job, entry in entries
        if all(isinstance(entry.get(name), str) for name in names)
    }


def write_submitted(run: Path, jobs: Mapping[str, Submitted]) -> None:
    """Note what was submitted, beside what is noted of other jobs; only while `submitting`.

    Raises:
        OSError: it cannot be written.
    """
    known = read_submitted(run) | dict(jobs)
    write_json(run / SUBMITTED, {job: asdict(entry) for job, entry in known.items()})


@contextlib.contextmanager
def submitting(run: Path) -> Iterator[None]:
    """Be the only one that submits jobs of a run; another one that does so is waited for.

    Raises:
        OSError: the run's folder cannot be written.
    """
    with alone(run / FOLDER / _LOCK, f"another process submits jobs of {run.name}: waiting for it"):
        yield
