"""What a program says to the user beside its log, see `inside.told`: passed on as it comes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.errors import StageError
from orchestrator.inside.told import NOTES, STOPPED
from orchestrator.machine.logs import LOG
from orchestrator.toolkits.base import Progress, Say


def listening(folder: Path, progress: Callable[[], Progress | None], say: Say) -> Callable[[], Progress | None]:
    """A stage's progress, which passes on the notes that come from now on whenever it is asked."""
    notes = folder / NOTES
    offset = notes.stat().st_size if notes.exists() else 0

    def asked() -> Progress | None:
        nonlocal offset
        with contextlib.suppress(OSError), notes.open("rb") as file:
            file.seek(offset)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            offset += len(whole)
            for line in whole.decode("utf-8", "replace").splitlines():
                say(line)
        return progress()

    return asked


@contextlib.contextmanager
def in_its_words(folder: Path) -> Iterator[None]:
    """Have a program that fails in this context, and said why, do so in its own words.

    Raises:
        StageError: with these, in place of the end of its log.
    """
    stopped = folder / STOPPED
    with contextlib.suppress(FileNotFoundError):
        stopped.unlink()
    try:
        yield
    except StageError as error:
        try:
            first, *more = stopped.read_text(encoding="utf-8", errors="replace").splitlines()
        except (OSError, ValueError):
            raise error from None
        lines = [first, *(f"    {line}" for line in more), f"    whole log: {folder / LOG}"]
        raise StageError("\n".join(lines), error.exit_status) from None
