from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.data.demo import write_demo_data
from orchestrator.plan.plan import Plan
from tests.recipes import plan_of
from tests.stages import finish


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A small generated data set."""
    write_demo_data(tmp_path / "data", sizes=(40, 8, 8))
    return tmp_path / "data"


class Clock:
    """A time that passes when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The monotonic clock, in the test's hands."""
    watch = Clock()
    monkeypatch.setattr(time, "monotonic", watch)
    return watch


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """That of the demo, of which the model is made."""
    plan = plan_of("demo", runs=tmp_path / "runs")
    finish(plan.jobs[0].stage("init"))
    return plan


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def taken(self) -> str:
        """What was written since this was asked last."""
        text = self.getvalue()
        self.truncate(0)
        self.seek(0)
        return text


Sized = Callable[..., Terminal]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Sized:
    """Makes standard output a terminal of a size: pytest puts its own in place after fixtures are made."""

    def sized(width: int = 100, height: int = 30) -> Terminal:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("TERM", "xterm")
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((width, height)))
        return terminal

    return sized
