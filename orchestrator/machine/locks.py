"""File locks: the kernel frees one when the process that holds it ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from orchestrator.errors import InputError


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder: one orchestrator at a time.

    Raises:
        InputError: another process holds it, or the folder cannot be written or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("a+")
    except OSError as error:
        hint = "give another folder with --runs-dir"
        raise InputError(f"cannot be written: {error.strerror}", str(folder), hint) from None
    with opened as file:
        try:
            _flock(file.fileno())
        except BlockingIOError:
            file.seek(0)
            what = f"another run works on this folder (process {file.read().strip() or 'unknown'})"
            hint = "wait for it, stop it, or give this one its own folder with --runs-dir"
            raise InputError(what, str(folder), hint) from None
        except OSError as error:
            hint = "its file system has no locks: give a folder on another one with --runs-dir"
            raise InputError(f"cannot be locked: {error.strerror}", str(folder), hint) from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _flock(descriptor: int) -> None:
    """Take a lock, for a second: `is_running` holds it for an instant."""
    for attempt in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == 4:
                raise
            time.sleep(0.2)


def is_running(folder: Path) -> bool:
    """Whether an orchestrator holds the lock of a run folder."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False


@contextlib.contextmanager
def waiting_lock(path: Path, mode: str = "ab") -> Iterator[IO[bytes]]:
    """Hold the lock of a file, once nobody else does; it is opened for writing, which file locks on NFS ask for."""
    with path.open(mode) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
