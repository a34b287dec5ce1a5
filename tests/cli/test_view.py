"""What a user sees while stages run."""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.results import results_table
from orchestrator.cli.view import LiveView, Rate, View, clock, make_view
from orchestrator.errors import StageError
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, SelectOutputs, TrainOutputs
from orchestrator.plan.plan import Plan
from orchestrator.run.listener import Places
from orchestrator.toolkits.base import Progress
from tests.recipes import plan_of
from tests.stages import finish

ROW: dict[str, Any] = {"task": "demo", "n": 8, "acc": 50.0, "majority": 40.0}
WEIGHTS = [("adapter of MELD", Path("runs/r/MELD/train-1/output/checkpoint-9"))]
PLACES = Places(Path("r.csv"), Path("r.answers.jsonl.gz"), WEIGHTS)


class Clock:
    """A time that passes when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Clock:
    watch = Clock()
    monkeypatch.setattr(time, "monotonic", watch)
    return watch


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    plan = plan_of("demo", runs=tmp_path / "runs")
    finish(plan.jobs[0].stage("init"))
    return plan


def test_durations() -> None:
    assert [clock(seconds) for seconds in (4.21, 59.6, 187, 3753)] == ["4.2 s", "1:00", "3:07", "1:02:33"]


def test_speed_counts_from_what_was_seen_first(watch: Clock) -> None:
    rate = Rate()
    assert rate.text(Progress(50, 100), "infer") == "sample 50/100"
    watch.now += 10
    assert rate.text(Progress(70, 100, 0.5), "train") == "step 70/100, loss 0.5, 2 steps/s, 15 s left"
    assert rate.text(Progress(3, 100), "train") == "step 3/100"  # begun anew


def test_plain_lines(plan: Plan, watch: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown, job = View(), plan.jobs[0]
    convert, train, select, infer, score = (
        job.stage(kind) for kind in ("convert", "train", "select", "infer", "score")
    )
    shown.start([plan])
    shown.skipped()
    shown.begin(convert)
    shown.end(convert, 1.0, ConvertOutputs(rows={"train": 1200, "dev": 120}))
    shown.begin(train)
    shown.remark("goes on from checkpoint-6")
    for done in (1, 2, 3):
        shown.progress(Progress(done, 9))
        watch.now += 29  # a line each half minute
    shown.end(train, 87, TrainOutputs(steps=9))
    shown.begin(select)
    last = SelectOutputs(strategy="last", checkpoint="checkpoint-9", step=9, path="")
    compared = {"accuracy_percent": {9: 87.5}, "measure": "of the answers right on dev"}
    shown.end(select, 2, last.model_copy(update={"strategy": "dev_accuracy", **compared}))
    shown.end(select, 2, last)
    shown.begin(infer)
    shown.end(infer, 2, InferOutputs(requests=240, errors=0))
    shown.end(infer, 2, InferOutputs(requests=240, errors=3))
    shown.begin(score)
    shown.failed(score, StageError("it broke"))
    shown.stopped(score)
    shown.close()
    shown.scored([ROW, ROW | {"task": "MELD", "majority": None}])
    shown.results([ROW], PLACES)
    assert capsys.readouterr().out.splitlines() == [
        "1 of 6 stages are done already",
        "[2/6] demo demo/convert: done in 1.0 s, 1,200 train, 120 dev",
        "[3/6] demo demo/train: goes on from checkpoint-6",
        "[3/6] demo demo/train: step 3/9, 0.0345 steps/s, 2:54 left",
        "[3/6] demo demo/train: done in 1:27, 9 steps",
        "[4/6] demo demo/select: done in 2.0 s, checkpoint-9 (dev_accuracy, 87.50 % of the answers right on dev)",
        "[4/6] demo demo/select: done in 2.0 s, checkpoint-9 (last)",
        "[5/6] demo demo/infer: done in 2.0 s, 240 answers",
        "[5/6] demo demo/infer: done in 2.0 s, 240 answers, 3 of them errors; to ask these again: run --retry-errors",
        "[6/6] demo demo/score: FAILED: it broke",
        "[6/6] demo demo/score: stopped; the same command goes on from here",
        "      demo: acc 50.00, majority 40.00, n 8",
        "      MELD: acc 50.00, n 8",
        *results_table([ROW]).splitlines(),
        "results: r.csv",
        "answers: r.answers.jsonl.gz",
        "adapter of MELD: runs/r/MELD/train-1/output/checkpoint-9",
    ]


def test_of_many_adapters_some_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    weights = [(f"adapter of {number}", Path(str(number))) for number in range(72)]
    View().places(PLACES._replace(weights=weights))
    said = capsys.readouterr().out.splitlines()
    assert said[2:4] == ["adapter of 0: 0", "adapter of 1: 1"]
    assert said[18:] == ["and 56 more like these: each select-*/stage.json of a run names its own"]


def test_a_reader_that_went_away_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    View().line("still at work")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output, as a terminal from now on: pytest puts its own in place after fixtures are made."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


def test_a_line_that_moves(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    shown, train = make_view(), plan.jobs[0].stage("train")
    assert isinstance(shown, LiveView)
    shown.start([plan])
    shown.begin(train)
    assert shown.status is not None
    assert str(shown.status.status) == "[1/6] demo demo/train: starting"
    shown.progress(Progress(4, 9))
    assert str(shown.status.status) == "[1/6] demo demo/train: step 4/9"
    shown.end(train, 3, TrainOutputs(steps=9))
    assert shown.status is None
    shown.failed(train, StageError("no [such] :smile:"))
    shown.stopped(train)
    said = terminal.getvalue()
    assert "\x1b[32m[1/6] demo demo/train: done in 3.0 s, 9 steps\x1b[0m" in said
    assert "\x1b[31m[1/6] demo demo/train: FAILED: no [such] :smile:\x1b[0m" in said
    assert "demo/train: stopped" in said


def test_results_are_never_cropped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    for width in (100, 30, 10):
        monkeypatch.setenv("COLUMNS", str(width))
        make_view().results([ROW], PLACES)
        said = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
        assert f"{results_table([ROW], width)}\nresults: r.csv\nanswers: " in said
        assert PLACES.weights[0][1].as_posix() in said, "paths stay whole for who copies them"
        terminal.truncate(0)
        terminal.seek(0)


def test_plain_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert type(make_view()) is View
