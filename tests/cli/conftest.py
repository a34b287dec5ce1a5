from __future__ import annotations

import time
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
