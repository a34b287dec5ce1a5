"""Lines of logs on standard output: of several each behind its name; progress bars move on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator.cli.frame import cut_middle
from orchestrator.cli.table import tell

STATE_SECONDS = 30.0  # how often a progress bar is told where it cannot move


class Printer:
    """Prints lines of logs."""

    def __init__(self, labels: Iterable[str]):
        """``labels``: what stands before lines; empty before those of the only log."""
        self._width = max(map(len, labels), default=0)
        self._moves = self._width == 0 and sys.stdout.isatty()
        self._drawn = False
        self._states: dict[str, str] = {}
        self._said: dict[str, float] = {}

    def head(self, label: str, path: Path) -> None:
        """Say which log follows; not in the way of who reads the lines by a program."""
        self.note(label, f"==> {path}", at=False)

    def note(self, label: str, text: str, *, at: bool = True) -> None:
        """Say something that is not of a log."""
        self._erase()
        sys.stdout.flush()
        tell(f"{label}: {text}" if label and at else text, file=sys.stderr, flush=True)

    def lines(self, label: str, lines: Sequence[str]) -> None:
        """Print lines of a log."""
        if lines:
            self._erase()
            before = self._before(label)
            tell("\n".join(f"{before}{line}" for line in lines), flush=True)

    def state(self, label: str, state: str) -> None:
        """Show a line that is not complete: a progress bar's state."""
        if state == self._states.get(label, ""):
            return
        now = time.monotonic()
        if self._moves:
            self._erase()
            width = shutil.get_terminal_size().columns - 1
            tell(cut_middle(state, width, "..."), end="", flush=True)
            self._drawn = bool(state)
        elif state and now - self._said.get(label, 0.0) < STATE_SECONDS:
            return
        elif state:
            self._said[label] = now
            self.lines(label, [state])
        self._states[label] = state

    def close(self) -> None:
        """Leave the last state where it stands."""
        if self._drawn:
            tell(flush=True)
        self._drawn = False

    def _before(self, label: str) -> str:
        return f"{label:{self._width}} | " if self._width else ""

    def _erase(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", flush=True)
        self._drawn = False
