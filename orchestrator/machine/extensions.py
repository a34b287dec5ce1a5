"""The folder where torch keeps the extensions that it compiles, which several stages use at once."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.machine.locks import NO_LOCKS

USERS = ".users"  # locked by all that use the folder
STALE_SECONDS = 3600.0  # a compilation takes minutes


@contextlib.contextmanager
def compiled_extensions(folder: Path) -> Iterator[None]:
    """Use a folder of compiled extensions; it is made.

    While torch compiles one, a file ``lock`` says so, for which others wait: for ever, if the compiler was killed.
    Where nobody uses the folder such files are removed first. Where others do, or where the file system has no locks,
    those are removed that are older than any compilation takes.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / USERS).open("ab") as file:
        try:
            alone = _alone(file.fileno())
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            alone = False
        for lock in list(folder.glob("**/lock")):
            with contextlib.suppress(FileNotFoundError):  # its compiler has just ended
                if alone or time.time() - lock.stat().st_mtime > STALE_SECONDS:
                    lock.unlink()
        if alone:
            # for an instant nobody has it: whoever removes locks then finds none of this stage, which has not begun
            fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _alone(descriptor: int) -> bool:
    """Take the lock for oneself; where others have it, with them."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # whoever has it for itself has it for an instant
        return False
    return True
