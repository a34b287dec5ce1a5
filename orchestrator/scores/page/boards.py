"""Leaderboards as the benchmark publishes them: zero-shot apart from what was trained, the highest accuracy first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.scores.page.entries import PUBLISHED, Entry, beside, weighted

ZERO_SHOT = "zero_shot"


@dataclass(frozen=True)
class Line:
    """One line of a leaderboard.

    Attributes:
        entry: what it shows.
        rank: the place; of a run, the one that it would have among the published values, in brackets; empty: none.
        published: the accuracy published for the same model and method, over the same tasks; ``None``: none is.
    """

    entry: Entry
    rank: str
    published: float | None

    @property
    def difference(self) -> float | None:
        """How many points of accuracy a run is above what is published."""
        if self.published is None or self.entry.overall is None:
            return None
        return self.entry.overall - self.published


@dataclass(frozen=True)
class Board:
    """A leaderboard: its title, and its lines from the highest accuracy down."""

    title: str
    lines: tuple[Line, ...]


def boards(entries: Sequence[Entry], sizes: Mapping[str, float]) -> list[Board]:
    """The two leaderboards, without one that would be empty.

    Args:
        entries: runs and published values of one benchmark.
        sizes: the published size of each task's test split.
    """
    zero = [entry for entry in entries if entry.method == ZERO_SHOT]
    trained = [entry for entry in entries if entry.method != ZERO_SHOT]
    both = (("Zero-shot inference", zero), ("Supervised fine-tuning (SFT) and instruction tuning (IT)", trained))
    return [Board(title, tuple(_lines(some, sizes))) for title, some in both if some]


def _lines(entries: Sequence[Entry], sizes: Mapping[str, float]) -> list[Line]:
    values = [entry.overall for entry in entries if entry.origin == PUBLISHED and entry.overall is not None]
    lines = []
    for entry in entries:
        if entry.origin == PUBLISHED:
            lines.append(Line(entry, _place(entry, values), None))
            continue
        alike = beside(entry, entries)
        known = _published(entry, alike, sizes)
        ranked = entry.overall is not None and not entry.partial
        place = _place(entry, values or _of_runs(entries)) if ranked else ""
        lines.append(Line(entry, f"({place})" if place and values else place, known))
    # of equals, the published one first
    return sorted(lines, key=lambda line: (-(line.entry.overall or 0), line.entry.origin != PUBLISHED, line.entry.name))


def _place(entry: Entry, values: Sequence[float]) -> str:
    return str(1 + sum(value > entry.overall for value in values)) if entry.overall is not None else ""


def _of_runs(entries: Sequence[Entry]) -> list[float]:
    return [entry.overall for entry in entries if entry.overall is not None and not entry.partial]


def _published(entry: Entry, alike: Entry | None, sizes: Mapping[str, float]) -> float | None:
    """What is published over the tasks of a run."""
    if alike is None:
        return None
    if not entry.partial:
        return alike.overall
    if not entry.rows.keys() <= alike.acc.keys() or any(row["split"] != "test" for row in entry.rows.values()):
        return None
    return weighted({task: alike.acc[task] for task in entry.rows}, sizes)
