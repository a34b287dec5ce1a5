"""A log that grows while somebody reads it."""

from __future__ import annotations

import os
import re
from pathlib import Path

BLOCK_BYTES = 1 << 16
MOST_BYTES = 1 << 24  # of a log are searched for its last lines: a progress bar may be one line of many megabytes
# colours, movements of the cursor, and whatever else a terminal would obey
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def readable(line: bytes) -> str:
    """A line of a log; of a progress bar's many states the last, without what a terminal would obey."""
    states = line.decode("utf-8", "replace").rstrip("\r").rsplit("\r", 1)
    return _CONTROL.sub("", states[-1]).rstrip()


class Growing:
    """What is added to a log, line by line, also where another file takes its place."""

    def __init__(self, path: Path, lines: int | None = None):
        """``lines``: it begins with the last so many; ``None``: with all."""
        self.path = path
        self._rest, self._file = b"", 0
        self._at = 0 if lines is None else _begin(path, lines)

    def new(self) -> list[str]:
        """The lines that are complete since the last call."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self._at or (self._file and found.st_ino != self._file):
                    self._at, self._rest = 0, b""
                self._file = found.st_ino
                file.seek(self._at)
                text = file.read(MOST_BYTES)
        except OSError:  # it is not there yet, or no more
            return []
        self._at += len(text)
        *complete, rest = (self._rest + text).split(b"\n")
        self._rest = rest[rest.rfind(b"\r", 0, -1) + 1 :]  # a bar's former states
        return [readable(line) for line in complete]

    @property
    def state(self) -> str:
        """The line that is not complete, as it is now: a progress bar's last state."""
        return readable(self._rest)


def _begin(path: Path, lines: int) -> int:
    """Where the last so many lines begin."""
    try:
        with path.open("rb") as file:
            size = at = file.seek(0, os.SEEK_END)
            ends = lines + 1  # line ends from there on, the last line's own counted
            if size:
                file.seek(size - 1)
                ends -= file.read(1) != b"\n"
            while at > max(0, size - MOST_BYTES):
                start = max(0, at - BLOCK_BYTES)
                file.seek(start)
                block = file.read(at - start)
                parts = block.rsplit(b"\n", ends)
                if len(parts) > ends:
                    return start + len(parts[0]) + 1
                ends, at = ends - len(parts) + 1, start
            return at
    except OSError:
        return 0
