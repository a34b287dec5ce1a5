"""One process at a time works on a job's folder, also from several machines over a shared disk.

``lock`` in the folder says who does. The kernel holds a lock on it where the file system has such; where it has none,
or asks no other machine, the content decides: the process is looked for, or its last sign of life is looked at, whose
age the file server's own clock gives.

A file is made where none is (``O_EXCL``): of two that try at once one gets it. Whoever takes over from a dead one makes
a file named by the dead one's token in the same way, sees that ``lock`` is still the dead one's, and moves its own
there. So no step depends on locks or clocks, except whether somebody is dead; who was thought so hears it from `beat`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InputError, remedy
from orchestrator.machine.lock_file import MOVED, File, Seen, look, make, token_of
from orchestrator.machine.locks import PAUSE_SECONDS, TRIES
from orchestrator.machine.meter import Meter
from orchestrator.machine.owners import BEAT_SECONDS, Owner

__all__ = ["LOCK", "Busy", "Lease", "Owner", "alone", "died_here", "owner_of", "take"]

LOCK = "lock"
PATIENCE = 1.0  # seconds after which it is said that somebody is waited for
RETRIES = 50  # where others remove the folder that is about to be used


class Busy(Exception):
    """Another has a folder; it says who."""


class Lease:
    """A folder that this process alone works on. ``unclean``: whoever had it before died without giving it back."""

    def __init__(self, file: File, unclean: bool, made: int):
        """``made``: how many folders are its own, the folder itself and some of those around it."""
        self.unclean = unclean
        self._file, self._made = file, made
        self._held, self._beaten = True, time.monotonic()

    def beat(self) -> bool:
        """Say that this process lives; at most every 10 s the disk is asked.

        Returns:
            Whether the folder is still its own; if not, this process was thought dead, and must stop.
        """
        if self._held and time.monotonic() - self._beaten >= BEAT_SECONDS:
            with contextlib.suppress(OSError):  # a disk that does not answer now says nothing of the folder
                self._held = token_of(self._file.path) == self._file.token
                os.utime(self._file.descriptor)  # a file server takes its own clock for that
                self._beaten = time.monotonic()
        return self._held

    def ours(self) -> bool:
        """Whether the folder is still this process's own, by what the disk says at this moment; asked by any thread."""
        with contextlib.suppress(OSError):
            return token_of(self._file.path) == self._file.token
        return True

    def release(self) -> None:
        """Give the folder back. It goes if nothing was done in it, and so does then the run's, around it."""
        if self._file.descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if self._held and token_of(self._file.path) == self._file.token:
                self._remove()
        os.close(self._file.descriptor)
        self._file, self._held = self._file._replace(descriptor=-1), False
        with contextlib.suppress(OSError):  # something is in there
            for folder in list(self._file.path.parents)[: self._made]:
                folder.rmdir()

    def _remove(self) -> None:
        """Remove the lock file, unless somebody is taking it over."""
        lock, _, token = self._file
        claim = None
        try:
            claim = make(_successor(lock, token))  # which nobody can take over without
        except FileExistsError:
            return
        except OSError:  # a full disk
            pass
        for left in (lock, *lock.parent.glob(f".{LOCK}.*")):
            left.unlink(missing_ok=True)
        if claim:
            os.close(claim.descriptor)


def take(folder: Path) -> Lease | Owner:
    """Be the only process that works on a folder, or hear who does.

    Raises:
        InputError: the folder cannot be written.
    """
    try:
        return _asked(folder, 2)  # of several processes that made a run's folder each may be the last to leave it
    except OSError as error:
        hint = remedy(error.errno) or "give another folder with --runs-dir"
        raise InputError(f"cannot be written: {error.strerror}", str(folder), hint) from None


@contextlib.contextmanager
def alone(folder: Path, waiting: str, most: float | None = None) -> Iterator[None]:
    """Be the only one, among threads, too, that works on a folder, once nobody else does; for what is done in seconds.

    Args:
        folder: made for it, and removed where nothing is in it in the end.
        waiting: said on standard error where another has it for longer than a moment.
        most: seconds after which it is not waited for any longer; ``None``: as long as it takes.

    Raises:
        Busy: another had it all that time.
        OSError: the folder cannot be written.
    """
    begun = time.monotonic()
    with contextlib.ExitStack() as told:
        said = False
        while isinstance(found := _asked(folder, 1), Owner):
            waited = time.monotonic() - begun
            if most is not None and waited > most:
                raise Busy(f"{waiting} ({found})")
            if not said and waited > PATIENCE:
                said = True
                print(f"{waiting} ({found})", file=sys.stderr, flush=True)
                told.enter_context(Meter("waiting"))
            time.sleep(PAUSE_SECONDS / 10)
    try:
        yield
    finally:
        found.release()


def owner_of(folder: Path) -> Owner | None:
    """Who works on a folder now; ``None``: nobody, or somebody who died. Nothing is taken or changed."""
    with contextlib.suppress(OSError):
        seen = look(folder / LOCK)
        if seen and seen.lives:
            return _owner(seen)
    return None


def died_here(folder: Path) -> bool:
    """Whether a process of this machine had a folder and died: what it started may still run. Nothing is taken."""
    with contextlib.suppress(OSError):
        seen = look(folder / LOCK)
        return bool(seen and seen.note and not seen.lives and seen.note.host == socket.gethostname())
    return False


def _asked(folder: Path, least: int) -> Lease | Owner:
    """As `take`, with the disk's own errors; ``least``: how many folders go in the end, if they are empty."""
    made = 0
    for left in reversed(range(RETRIES)):
        try:
            made = made or sum(not path.exists() for path in (folder, *folder.parents))
            folder.mkdir(parents=True, exist_ok=True)
            found = _take(folder / LOCK)
            return found if isinstance(found, Owner) else Lease(*found, max(least, made))
        except OSError as error:
            if error.errno not in (*MOVED, errno.EEXIST) or not left:
                raise
            time.sleep(PAUSE_SECONDS / 10)
    raise AssertionError("the last attempt returns or raises")


def _take(lock: Path) -> tuple[File, bool] | Owner:
    """The lock file made, or taken over from a dead process, and whether it was; or who has it."""
    chain, tokens = [lock], [""]  # what a dead process left, what whoever took over from it and died then left, ...
    while True:
        try:
            file = make(chain[-1])
        except FileExistsError:
            seen = _settled(chain[-1])
            if seen is None:
                chain, tokens = [lock], [""]
            elif seen.lives:
                return _owner(seen)
            else:
                tokens.append(seen.token)
                chain.append(_successor(lock, seen.token))
            continue
        if len(chain) == 1:
            return file, False
        try:
            if token_of(lock) == tokens[1]:
                file.path.replace(lock)
                for left in chain[1:-1]:
                    left.unlink(missing_ok=True)
                return file._replace(path=lock), True
            file.path.unlink(missing_ok=True)
            raise OSError(errno.ESTALE, "somebody else took it over meanwhile")
        except OSError:
            os.close(file.descriptor)
            raise


def _successor(lock: Path, token: str) -> Path:
    """The file that whoever takes over from the process with this token makes."""
    return lock.with_name(f".{LOCK}.{token}")


def _settled(path: Path) -> Seen | None:
    """As `look`; a file that is just being written is waited for, for a second."""
    seen = look(path)
    for _ in range(TRIES - 1):
        if seen is None or seen.note:
            break
        time.sleep(PAUSE_SECONDS)
        seen = look(path)
    return seen


def _owner(seen: Seen) -> Owner:
    return seen.note.owner(seen.age) if seen.note else Owner("", 0, "", None, round(seen.age, 1))
