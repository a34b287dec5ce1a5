"""Stages that do not get on: when it is said, and when it is not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from orchestrator.machine.logs import LOG
from orchestrator.run.stages.stall import LOADING, Stall
from orchestrator.toolkits.base import Progress
from tests.run.place import Place
from tests.running import wait_until


class Watched:
    """A stage's folder, and a clock that goes when it is told to."""

    def __init__(self, folder: Path, minutes: float, done: int = 0) -> None:
        self.log, self.seconds = folder / LOG, 0.0
        self.log.write_text("loading\n")
        self.stall = Stall(folder, minutes, done, lambda: self.seconds)

    def after(self, minutes: float, done: int | None = None, says: str = "") -> str:
        """What is said when minutes have gone by, the stage is so far, and its log has something new."""
        self.seconds += minutes * 60
        if says:
            with self.log.open("a") as file:
                file.write(says)
        return self.stall.warning(None if done is None else Progress(done, 90))


def test_said_once_a_period_while_nothing_moves(tmp_path: Path) -> None:
    stage = Watched(tmp_path, 30)
    assert stage.after(1, done=1) == ""
    assert stage.after(29.9, done=1) == ""
    assert stage.after(0.1, done=1).startswith("has shown no progress for 30 min (resources.stall_minutes); the end of")
    assert [stage.after(10, done=1) for _ in range(2)] == ["", ""]
    assert stage.after(10, done=1).startswith("has shown no progress for 60 min")
    assert stage.after(95, done=1).startswith("has shown no progress for 155 min"), "one that was halted meanwhile"
    assert stage.after(24, done=1) == ""
    # and again when it has moved and stopped
    assert stage.after(1, done=2) == ""
    assert stage.after(29, done=2) == ""
    assert stage.after(1, done=2).startswith("has shown no progress for 30 min")


def test_a_line_in_the_log_is_progress_and_so_is_one_that_is_drawn_again(tmp_path: Path) -> None:
    stage = Watched(tmp_path, 30)
    stage.after(1, done=1)
    assert stage.after(29, done=1, says="compiling a kernel\n") == ""
    assert stage.after(29, done=1) == ""
    os.utime(stage.log, (1, 1))
    assert stage.after(29, done=1) == ""
    assert stage.after(30, done=1) != ""


@pytest.mark.parametrize("done", [None, 0, 45])
def test_loading_may_take_longer(tmp_path: Path, done: int | None) -> None:
    """Nothing is done yet, or only what an earlier attempt did."""
    stage = Watched(tmp_path, 30, done=45)
    stage.after(0, done=done)
    assert stage.after(30 * LOADING - 1, done=done) == ""
    assert stage.after(1, done=done).startswith(f"has shown no progress for {30 * LOADING} min")
    assert stage.after(1, done=46) == ""
    assert stage.after(30, done=46).startswith("has shown no progress for 30 min")


def test_no_minutes_are_no_warning(tmp_path: Path) -> None:
    stage = Watched(tmp_path, 0)
    assert [stage.after(10_000, done=done) for done in (0, 1, 1)] == ["", "", ""]


def test_what_it_last_said_and_where_the_rest_is(tmp_path: Path) -> None:
    stage = Watched(tmp_path, 1)
    stage.after(0, done=1, says="one\ntwo\n\rstep 1\rstep 2" + "x" * 500 + "\nlast\n")
    lines = stage.after(1, done=1).splitlines()
    assert lines[1] == "    | two"
    assert lines[2] == f"    | step 2{'x' * 154}"
    assert lines[3:5] == ["    | last", f"    whole log: {stage.log}"]
    assert "it has no process any more" in lines[5]
    stage.log.unlink()
    stage.after(0, done=1)
    assert "and its log is empty" in stage.after(1, done=1)


def test_a_training_that_hangs_is_named_and_left_alone(place: Place) -> None:
    process = place.start_until("train", "--set", "resources.stall_minutes=0.01", do="hang:train=5")
    wait_until(lambda: "has shown no progress" in place.said)
    wait_until(lambda: place.said.count("has shown no progress") > 1)
    assert "    | hangs at 5\n" in place.said
    (running,) = place.running()
    assert f"`uvx py-spy dump --pid {running.pid}` shows what it does. If it hangs: Ctrl-C" in place.said
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    place.run()
    assert place.stage("train")["outputs"]["resumed_from"] == "output/checkpoint-3"


def test_short_periods_are_told_in_seconds(tmp_path: Path) -> None:
    stage = Watched(tmp_path, 0.05)
    stage.after(0, done=1)
    assert stage.after(0.05, done=1).startswith("has shown no progress for 3 s (resources.stall_minutes)")
