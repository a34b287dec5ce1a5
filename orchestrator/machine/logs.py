"""The logs of processes: what a stage's is called, and how their ends are read."""

from __future__ import annotations

from pathlib import Path

LOG = "log.txt"
TAIL_BYTES = 1 << 16


def since(path: Path, begin: int = 0, most: int | None = None) -> str:
    """The text of a file from byte `begin` on, at most its last bytes; empty where there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(begin if most is None else max(begin, size - most))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def tail(path: Path, begin: int = 0) -> str:
    """The same, at most its last `TAIL_BYTES`. Its first line may be cut."""
    return since(path, begin, TAIL_BYTES)


def last_lines(path: Path, count: int, begin: int = 0) -> str:
    """The last lines of a log that are not blank; of a progress bar's many states on one line its last."""
    kept = [line.rsplit("\r", 1)[-1].rstrip() for line in tail(path, begin).split("\n")]
    return "\n".join([line for line in kept if line][-count:])
