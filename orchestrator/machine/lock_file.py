"""The file that says who works on a folder: made, read, and told from those before and after it."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from orchestrator.machine.locks import NO_LOCKS, PAUSE_SECONDS, TRIES
from orchestrator.machine.owners import Note, lives, own_note, read_note

MOST_BYTES = 1 << 16  # of a lock file are read
MOVED = (errno.ENOENT, errno.ESTALE)  # somebody else has removed what was there


class Seen(NamedTuple):
    """A lock file: what it says, what tells this one from others, whether its process lives, and its age in seconds."""

    note: Note | None
    token: str
    lives: bool
    age: float


class File(NamedTuple):
    """A lock file of this process; open, as that holds the kernel's lock."""

    path: Path
    descriptor: int
    token: str


def make(path: Path) -> File:
    """Make a lock file of this process.

    Raises:
        FileExistsError: there is one.
        OSError: it cannot be written.
    """
    note = own_note()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        note = replace(note, locked=_locked(descriptor))
        try:
            content = note.text.encode()
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            if not note.locked:
                raise
            # a full disk: the kernel holds the lock, only nobody sees for whom
            note = replace(note, token=_nameless(descriptor))
        return File(path, descriptor, note.token)
    except BaseException:
        path.unlink(missing_ok=True)
        os.close(descriptor)
        raise


def _locked(descriptor: int) -> bool:
    """Take the kernel's lock on a new file, which others at most look at for an instant."""
    for _ in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return False
    return False


def look(path: Path) -> Seen | None:
    """What a lock file is now; ``None`` where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in MOVED:
            return None
        raise
    try:
        # in this order: what is written was locked before
        note = read_note(os.read(descriptor, MOST_BYTES))
        held = _is_held(descriptor)
        age = max(0.0, _clock(path.parent) - os.fstat(descriptor).st_mtime)
        return Seen(note, note.token if note else _nameless(descriptor), lives(note, held, age), age)
    finally:
        os.close(descriptor)


def token_of(path: Path) -> str | None:
    """What tells a lock file from those before and after it; ``None`` where there is none."""
    try:
        with path.open("rb") as file:
            note = read_note(file.read(MOST_BYTES))
            return note.token if note else _nameless(file.fileno())
    except OSError as error:
        if error.errno in MOVED:
            return None
        raise


def _nameless(descriptor: int) -> str:
    """The token of a file that holds none."""
    return f"{os.fstat(descriptor).st_ino:x}"


def _is_held(descriptor: int) -> bool | None:
    """Whether somebody holds the kernel's lock on a file; ``None`` where the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two that look do not see each other
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return False


def _clock(folder: Path) -> float:
    """The time by the clock of whoever keeps a folder's files; by this machine's where nothing can be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
