"""The lock on a run folder: one orchestrator at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InputError, Problem


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the kernel frees it when this process ends, however it ends.

    Raises:
        InputError: another process holds it, or the folder cannot be written or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("a+")
    except OSError as error:
        problem = Problem(f"cannot be written: {error.strerror}", str(folder), "give another folder with --runs-dir")
        raise InputError(problem) from None
    with opened as file:
        try:
            _flock(file.fileno())
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                hint = "its file system has no locks: give a folder on another one with --runs-dir"
                raise InputError(Problem(f"cannot be locked: {error.strerror}", str(folder), hint)) from None
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise InputError(
                Problem(
                    f"another run works on this folder (process {holder})",
                    str(folder),
                    "wait for it, stop it, or give this one its own folder with --runs-dir",
                )
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _flock(descriptor: int) -> None:
    """Take a lock, for a second: `status` holds it for an instant when it asks whether a run goes on."""
    for attempt in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == 4:
                raise
            time.sleep(0.2)
