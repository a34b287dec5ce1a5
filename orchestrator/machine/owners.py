"""Who works on a folder, as its lock file tells, and whether that process still lives."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import psutil

from orchestrator.machine import squeue

BEAT_SECONDS = 10.0  # between two signs of life
DEAD_SECONDS = 120.0  # without a sign of life: twelve beats, as disks may hang for a while
QUIET_SECONDS = 15.0  # without one: somebody whose scheduler says that its job is over is dead then
BOOT = Path("/proc/sys/kernel/random/boot_id")
PID_SPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True)
class Owner:
    """Who works, or worked, on a folder.

    Attributes:
        host: the machine's name; empty where the file does not say who it is.
        pid: the process.
        since: when it began, UTC in ISO 8601.
        scheduler_job: Slurm's number of its job, ``123`` or ``123_4``.
        beat_seconds: age of its last sign of life; ``None`` where that is not known.
    """

    host: str
    pid: int
    since: str
    scheduler_job: str | None = None
    beat_seconds: float | None = None

    def __str__(self) -> str:
        if not self.host:
            return "a process that has not given its name"
        begun = datetime.fromisoformat(self.since).astimezone()
        when = f"{begun:%H:%M}" if begun.date() == datetime.now().astimezone().date() else f"{begun:%Y-%m-%d %H:%M}"
        job = f" (Slurm job {self.scheduler_job})" if self.scheduler_job else ""
        return f"process {self.pid} on host {self.host}{job} since {when}"


@dataclass(frozen=True)
class Note:
    """What a lock file says.

    Attributes:
        host: the machine's name.
        pid: the process.
        since: when it took the folder, UTC in ISO 8601.
        scheduler_job: Slurm's number of its job, ``123`` or ``123_4``.
        started: seconds after the boot at which the process started: a later one may have its number.
        boot: which boot of which machine.
        pid_space: within which the number means this process: containers have their own.
        locked: whether the kernel holds a lock for it, too.
        token: of this time that the folder was taken, and of no other.
        restarts: how often its job had been requeued by then.
    """

    host: str
    pid: int
    since: str
    scheduler_job: str | None
    started: float
    boot: str
    pid_space: str
    locked: bool
    token: str
    restarts: int = 0

    @property
    def text(self) -> str:
        """The file's only line."""
        return json.dumps(asdict(self)) + "\n"

    def owner(self, age: float) -> Owner:
        """Whom it names, whose last sign of life is so many seconds old."""
        return Owner(self.host, self.pid, self.since, self.scheduler_job, round(age, 1))


def own_note() -> Note:
    """What this process writes of itself, each time with another token."""
    host, boot, pid_space = _here()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    job, restarts = squeue.own_job()
    token = uuid.uuid4().hex[:16]
    return Note(host, os.getpid(), now, job, _started(os.getpid()), boot, pid_space, False, token, restarts)


def read_note(text: bytes) -> Note | None:
    """What a lock file says; ``None`` where it is empty, damaged, or not written to its end."""
    try:
        content = json.loads(text)
        content.setdefault("restarts", 0)  # which earlier versions did not write
        note = Note(**{field.name: content[field.name] for field in fields(Note)})
        datetime.fromisoformat(note.since)
        sound = note.token.isalnum() and note.host and note.pid + 1 > 0 and note.started + 1 > 0 and note.restarts >= 0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return note if sound else None


def lives(note: Note | None, held: bool | None, age: float) -> bool:
    """Whether the process still works that a lock file names.

    Args:
        note: what the file says; ``None``: no name, or not yet.
        held: whether the kernel says that somebody holds its lock; ``None`` where the file system has no locks.
        age: seconds since its last sign of life; of one elsewhere that is quiet for 15 s, Slurm may be asked.
    """
    if held:
        return True
    if note is None:
        return age < DEAD_SECONDS
    if (note.host, note.boot, note.pid_space) == _here():
        runs = _runs(note.pid, note.started)
        if runs is not None:
            return runs
    # another container of this machine: one kernel, which has let the lock go; a number means nothing there
    elif (note.host, note.boot) == _here()[:2] and note.locked and held is False:
        return False
    # some file systems ask no other machine: a lock that is free proves nothing of a process elsewhere
    if age < QUIET_SECONDS:
        return True  # also where its job is over: what began in the shell of an interactive job may outlive that
    return age < DEAD_SECONDS and not (note.scheduler_job and squeue.is_over(note.scheduler_job, note.restarts))


def is_here(note: Note) -> bool:
    """Whether a process runs on this machine, under the number by which it is known here."""
    return (note.host, note.boot, note.pid_space) == _here() and _runs(note.pid, note.started) is True


def _here() -> tuple[str, str, str]:
    """This machine's name, this boot of it, and the space of its process numbers."""
    boot = space = ""
    with contextlib.suppress(OSError):
        boot, space = BOOT.read_text().strip(), str(PID_SPACE.readlink())
    return socket.gethostname() or "localhost", boot, space


def _started(pid: int) -> float:
    """Seconds between the boot and a process's start, which no change of the clock alters."""
    boot = psutil.boot_time()
    return round(psutil.Process(pid).create_time() - boot, 2)


def _runs(pid: int, started: float) -> bool | None:
    """Whether a process of this machine runs; ``None`` where the system tells nothing of other users' processes."""
    try:
        same = abs(_started(pid) - started) < 1.5  # the clock may be set between two looks at it
        return same and psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return None if psutil.pid_exists(pid) else False
    except psutil.Error:
        return None
