"""The table of disturbances: area, disturbance, expectation, and the function that does it and looks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from tests.chaos.world import Lab

CALM, TOLD, EITHER = "calm", "told", "calm or told"
LEGEND = """\
calm: ends with the answers, the selection and the CSV of a run that nobody disturbed
told: stops with a message that says what to do; once that is done, calm
"""
AREAS = ("data", "answers", "clocks", "checkpoints", "states", "kills", "twice", "results", "surroundings", "archives",
         "scores", "told")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """``do`` raises AssertionError where what is expected did not happen; ``slow``: not among the tests."""

    area: str
    disturbance: str
    expectation: str
    do: Callable[[Lab], None]
    toolkits: tuple[str, ...]
    slow: bool

    @property
    def name(self) -> str:
        return re.sub(r"[^\w.=]+", "-", f"{self.area}-{self.disturbance}").strip("-").lower()


_ROWS: list[Row] = []


def add(
    area: str,
    disturbance: str,
    expectation: str,
    do: Callable[..., None],
    *given: Any,
    real: bool = False,
    echo: bool = True,
    slow: bool = False,
) -> None:
    """A row; ``given`` is what ``do`` gets behind the lab, ``real``: it is worth minutes of a real toolkit's time."""
    toolkits = ("echo",) * echo + ("llamafactory",) * real
    _ROWS.append(Row(area, disturbance, expectation, lambda lab: partial(do, lab)(*given), toolkits, slow))


def rows() -> list[Row]:
    """All rows; their names differ."""
    for area in AREAS:
        import_module(f"tests.chaos.{area}")
    names = [row.name for row in _ROWS]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return _ROWS
