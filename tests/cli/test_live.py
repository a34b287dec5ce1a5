"""What stands on a terminal while stages run."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import live
from orchestrator.cli.live import LiveView
from orchestrator.cli.plain import View
from orchestrator.cli.results import results_table
from orchestrator.cli.view import make_view
from orchestrator.errors import StageError
from orchestrator.plan.outputs import TrainOutputs
from orchestrator.plan.plan import Plan, Stage
from orchestrator.toolkits.base import Progress
from tests.cli.conftest import Clock, Sized
from tests.cli.screen import Screen
from tests.cli.test_view import PLACES, ROW
from tests.recipes import plan_of


def test_lines_that_move(plan: Plan, watch: Clock, terminal: Sized) -> None:
    written = terminal(80, 20)
    screen, shown, (train, infer) = Screen(80, 20), make_view(), map(plan.jobs[0].stage, ("train", "infer"))
    assert isinstance(shown, LiveView)

    def see() -> list[str]:
        watch.now += 1
        shown.tick()
        screen.feed(written.taken())
        return screen.shown()

    shown.start([plan])
    shown.skipped()
    shown.begin(train, "GPU 0")
    assert see() == [
        "1 of 6 stages are done already",
        "demo/train  GPU 0  1.0 s",
        "demo: 1 of 6 stages done, 1.0 s so far",
    ]
    assert screen.hidden
    shown.progress(train, Progress(4, 9, 0.25))
    shown.waits([(infer, "for 8 GPUs, 3 are free")])
    assert see()[1:] == [
        "demo/train  GPU 0  step 4/9  loss 0.25  2.0 s",
        "demo/infer waits for 8 GPUs, 3 are free",
        "demo: 1 of 6 stages done, 1 wait, 2.0 s so far",
    ]
    shown.remark(train, "goes on from checkpoint-6")
    shown.waits([])
    assert see()[1:] == [
        "[2/6] demo demo/train: goes on from checkpoint-6",
        "demo/train  GPU 0  step 4/9  loss 0.25  3.0 s",
        "demo: 1 of 6 stages done, 3.0 s so far",
    ]
    shown.failed(train, StageError("no [such] :smile:"))
    assert see()[2:] == [
        "[2/6] demo demo/train: FAILED: no [such] :smile:",
        "demo: 1 of 6 stages done, 1 failed, 0 run, 4.0 s so far",
    ]
    shown.close()
    assert see()[3:] == ["demo: 1 of 6 stages done, 1 failed, 0 run, 5.0 s so far"], "it may go on"
    shown.close()
    screen.feed(written.taken())
    assert screen.shown()[3:] == []
    assert not screen.hidden


def test_what_is_said_and_what_moves_agree_at_once(plan: Plan, watch: Clock, terminal: Sized) -> None:
    written, screen, shown = terminal(80, 20), Screen(80, 20), LiveView()
    train, infer = map(plan.jobs[0].stage, ("train", "infer"))
    shown.start([plan])
    shown.begin(train, "")
    shown.waits([(infer, "for its turn")])
    watch.now += 1
    shown.tick()
    shown.begin(infer, "")
    shown.end(train, 3, TrainOutputs(steps=9))
    screen.feed(written.taken())
    assert screen.shown()[1:] == [
        "[1/6] demo demo/train: done in 3.0 s, 9 steps",
        "demo/infer  0.0 s",
        "demo: 1 of 6 stages done, 1.0 s so far",
    ], "of what runs it is not said that it waits"
    shown.close()


def test_colours(plan: Plan, terminal: Sized) -> None:
    written, shown, train = terminal(), make_view(), plan.jobs[0].stage("train")
    shown.start([plan])
    shown.begin(train, "")
    shown.end(train, 3, TrainOutputs(steps=9))
    shown.failed(train, StageError("no [such] :smile:"))
    shown.stopped(train)
    shown.close()
    said = written.getvalue()
    assert "\x1b[32m[1/6] demo demo/train: done in 3.0 s, 9 steps\x1b[0m" in said
    assert "\x1b[31m[1/6] demo demo/train: FAILED: no [such] :smile:\x1b[0m" in said
    assert "demo/train: stopped" in said


def many(plan: Plan, count: int, run: str = "情感分析的大型语言模型-很长的名字") -> list[Stage]:
    train = plan.jobs[0].stage("train")
    return [replace(train, job=f"task{n}", folder=Path("runs") / run / f"task{n}" / "train-1") for n in range(count)]


@pytest.mark.parametrize("count", [1, 3, 8, 40])
@pytest.mark.parametrize("size", [(80, 24), (60, 10), (120, 40), (20, 4)])
def test_many_stages_on_terminals_of_all_sizes(
    plan: Plan,
    watch: Clock,
    terminal: Sized,
    size: tuple[int, int],
    count: int,
) -> None:
    written, screen, shown = terminal(*size), Screen(*size), LiveView()
    shown.start([plan, plan_of("demo", "name=other")])
    stages = many(plan, count)
    for stage in stages:
        shown.begin(stage, "GPU 1")
    for step in range(1, 21):
        watch.now += 1
        for number, stage in enumerate(stages):
            shown.progress(stage, Progress(step * (number + 1), 4000, 0.5))
        if step % 10 == 0:
            shown.remark(stages[0], "goes on")
        if step % 10 == 5 and len(stages) > 1:
            shown.failed(stages.pop(), StageError("it broke"))
        watch.now += 1
        shown.tick()
        screen.feed(written.taken())
        lines = screen.shown()
        moving = [line for line in lines if "task" in line and not line.startswith("[") and "FAILED" not in line]
        more = [int(found[1]) for line in lines if (found := re.fullmatch(r"and (\d+) more run", line))]
        assert len(moving) + sum(more) == len(stages) or size[1] < 5
        assert "of 12 stages done" in lines[-1] or size[0] < 40
    shown.close()
    screen.feed(written.taken())
    assert not [
        row.text for row in screen.rows if row.text and not row.text.startswith("[") and "stages done" in row.text
    ]
    said = "".join(row.text for row in screen.rows)
    assert said.count("FAILED: it broke") == min(2, count - 1), "what is said stays"


def test_another_size_of_the_terminal_leaves_nothing_behind(
    plan: Plan,
    watch: Clock,
    terminal: Sized,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, screen, shown = terminal(120, 30), Screen(120, 30), LiveView()
    shown.start([plan, plan_of("demo", "name=other")])
    for stage in many(plan, 5):
        shown.begin(stage, "GPU 1")
    shown.line("what was said before")
    for width in (120, 60, 61, 33, 110, 47, 46, 45, 80):
        screen.feed(written.taken())
        monkeypatch.setattr(os, "get_terminal_size", lambda *_, width=width: os.terminal_size((width, 30)))
        screen.resize(width, 30)
        watch.now += 1
        if width == 47:
            shown.line("said right after")
        shown.tick()
        screen.feed(written.taken())
        lines = screen.shown()
        assert lines[1] == "what was said before"
        said = 3 if "said right after" in lines else 2
        assert len(lines) == said + 6, "one line for each stage, and the summary"
        assert sum("stages done" in line for line in lines) == 1
    assert "said right after" in lines


def test_a_frame_is_written_at_once(plan: Plan, watch: Clock, terminal: Sized) -> None:
    written, shown = terminal(), LiveView()
    shown.start([plan])
    for stage in many(plan, 5):
        shown.begin(stage, "")
    writes: list[str] = []
    written.write = writes.append  # type: ignore[method-assign, assignment]
    watch.now += live.REDRAW_SECONDS
    shown.tick()
    assert len(writes) == 1, "what is erased is written again in the same instant: it does not flicker"
    shown.tick()
    assert len(writes) == 1, "not more often than anybody can see"


def test_results_are_never_cropped(terminal: Sized) -> None:
    for width in (100, 30, 10):
        written = terminal(width)
        make_view().results([ROW], PLACES)
        said = re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue())
        assert f"{results_table([ROW], width)}\nresults: r.csv\nanswers: " in said
        assert PLACES.weights[0][1].as_posix() in said, "paths stay whole for who copies them"


def test_a_terminal_that_cannot_move_lines_gets_plain_ones(terminal: Sized, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal()
    monkeypatch.setenv("TERM", "dumb")
    shown: Any = make_view()
    assert type(shown) is View
