"""That processes have something to do with a folder, none of them alone: a file for each says who, and is touched.

No lock is held for it and no file stays open, as one process may be at a thousand folders.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.machine.lock_file import look
from orchestrator.machine.owners import BEAT_SECONDS, Owner, is_here, own_note

SIGN = ".at-work."  # a file's name begins with it


class Presence:
    """This process at some folders, from when it is made until it leaves them. Folders that refuse it are left out."""

    def __init__(self, folders: Iterable[Path]):
        """What dead processes left in the folders goes."""
        note = own_note()
        self._text, self._beaten = note.text, time.monotonic()
        self._files = {folder: folder / f"{SIGN}{note.token}" for folder in folders}
        for folder, file in self._files.items():
            for path in folder.glob(f"{SIGN}*"):
                with contextlib.suppress(OSError):
                    if (seen := look(path)) and not seen.lives:
                        path.unlink()
            self._write(file)

    def beat(self) -> None:
        """Say that this process lives; at most every 10 s the disk is asked."""
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._beaten = time.monotonic()
            for file in self._files.values():
                try:
                    os.utime(file)  # a file server takes its own clock for that
                except OSError:  # who thought this process dead removed it
                    self._write(file)

    def leave(self, folder: Path) -> None:
        """There is nothing more to do at a folder."""
        if file := self._files.pop(folder, None):
            with contextlib.suppress(OSError):
                file.unlink()

    def leave_all(self) -> None:
        """There is nothing more to do."""
        for folder in list(self._files):
            self.leave(folder)

    def _write(self, file: Path) -> None:
        with contextlib.suppress(OSError):  # nobody sees it, and nothing else is lost
            file.write_text(self._text)


def present(folder: Path) -> Iterator[Owner]:
    """Who is at a folder now, nobody who died."""
    yield from signs(folder).values()


def signs(folder: Path) -> dict[Path, Owner]:
    """The same, by the file that says so."""
    found = {}
    for path in sorted(folder.glob(f"{SIGN}*")):
        with contextlib.suppress(OSError):
            if (seen := look(path)) and seen.lives and seen.note:
                found[path] = seen.note.owner(seen.age)
    return found


def tell_to_end(file: Path) -> bool:
    """Send SIGTERM to the process that a lock, or the sign of one at work, names.

    Returns:
        Whether it lives, on this machine, and was sent it.
    """
    with contextlib.suppress(OSError):
        seen = look(file)
        if seen and seen.note and seen.lives and is_here(seen.note):
            os.kill(seen.note.pid, signal.SIGTERM)
            return True
    return False
