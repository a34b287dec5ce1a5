"""What is wrong with one file, as it is found: what is wrong alike with many lines is said once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.benchmark.task import Task
from orchestrator.errors import Problem

MOST_LINES = 5  # named of those that are wrong alike


class Notes:
    """The problems of one file. ``count``: how often something was noted, so that a row's own can be told."""

    def __init__(self, path: Path, task: Task, problems: Sequence[Problem] = ()):
        self.path, self.task, self.count = path, task, len(problems)
        self._first, self._lines = list(problems), dict[tuple[str, str], list[int]]()

    def add(self, message: str, line: int, hint: str = "") -> None:
        """Note a problem at a physical line, counted from 1."""
        self.count += 1
        self._lines.setdefault((message, hint), []).append(line)

    @property
    def kinds(self) -> int:
        """How many different things are wrong."""
        return len(self._first) + len(self._lines)

    @property
    def problems(self) -> list[Problem]:
        """Them all, each at its first line."""
        return self._first + [
            Problem(f"{message}{also(lines[1:])}", f"{self.path}:{lines[0]}", hint)
            for (message, hint), lines in self._lines.items()
        ]


def also(lines: Sequence[int]) -> str:
    """The further lines of a problem in brackets, the first of many; empty where there are none."""
    if len(lines) < 2:
        return f" (also on line {lines[0]})" if lines else ""
    shown = ", ".join(map(str, lines[:MOST_LINES])) + (", ..." if len(lines) > MOST_LINES else "")
    return f" (also on {len(lines):,} more lines: {shown})"
