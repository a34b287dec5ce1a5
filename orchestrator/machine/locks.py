"""File locks: the kernel frees one when the process that holds it ends, however it ends.

Some file systems have none (many network drives and FUSE mounts). There work goes on without, and that is said.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

from orchestrator.errors import InputError
from orchestrator.machine.meter import Meter

# what flock says on a file system without locks
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
TRIES, PAUSE_SECONDS = 5, 0.2


@contextlib.contextmanager
def work_lock(path: Path, busy: str, hint: str) -> Iterator[bool]:
    """Hold the lock of some work, in a file that is made for it and goes with it.

    Args:
        path: the file.
        busy: what is said of whoever holds it, e.g. ``another download fills this folder``.
        hint: what to do then.

    Yields:
        Whether it is held; not where the file system has no locks.

    Raises:
        InputError: another process holds it.
        OSError: the file cannot be written.
    """
    folder = path.parent
    made = not folder.exists()
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file, _held(file, str(folder), busy, hint) as held:
            if held and not _same(file, path):
                continue  # whoever held it has removed it meanwhile
            try:
                yield held
            finally:
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # something is in there
                    if made:
                        folder.rmdir()
            return


@contextlib.contextmanager
def _held(file: IO[str], where: str, busy: str, hint: str) -> Iterator[bool]:
    """Hold the lock of a file, which names who does."""
    held = True
    try:
        _flock(file.fileno())
    except BlockingIOError:
        file.seek(0)
        raise InputError(f"{busy} (process {file.read().strip() or 'unknown'})", where, hint) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise InputError(f"cannot be locked: {error.strerror}", where, hint) from None
        held = False
    with contextlib.suppress(OSError):  # a full disk: the lock is held, only nobody sees by whom
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), f"{os.getpid()}\n".encode())
    yield held


def _flock(descriptor: int) -> None:
    """Take a lock, for a second: others may hold it for an instant."""
    for attempt in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == TRIES - 1:
                raise
            time.sleep(PAUSE_SECONDS)


def _same(file: IO[str], path: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


@contextlib.contextmanager
def waiting_lock(path: Path, waiting: str, mode: str = "ab") -> Iterator[IO[bytes]]:
    """Hold the lock of a file, once nobody else does; it is opened for writing, which file locks on NFS ask for.

    Args:
        path: the file.
        waiting: said on standard error where another process holds it for longer than a moment.
        mode: how the file is opened.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open(mode) as file:
        try:
            _flock(file.fileno())
        except BlockingIOError:
            print(waiting, file=sys.stderr, flush=True)
            with Meter("waiting"):
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _say_without(path.parent)
        yield file


@contextlib.contextmanager
def updating(path: Path) -> Iterator[None]:
    """Be the only one that reads a file and writes it with a change; others that do so wait for that instant.

    The lock is a file beside it, which stays. Where the disk has no locks, or refuses it, work goes on without.
    """
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = opened.enter_context(path.with_name(f".{path.name}.lock").open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache  # results are written with each task, and this is said once
def _say_without(folder: Path) -> None:
    print(f"note: {without(folder)}", file=sys.stderr, flush=True)


def without(folder: Path) -> str:
    """What is to be known of a folder without locks."""
    return f"{folder}: its file system has no locks: see that no other process works on it at the same time"
