"""``status --watch``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.on_disk import RunOnDisk
from orchestrator.cli.stages_on_disk import StageOnDisk
from orchestrator.cli.table import cells_of
from orchestrator.cli.watch import fitted, lines, watch_runs
from orchestrator.machine.leases import Owner
from tests.cli.conftest import Clock, Sized
from tests.cli.screen import Screen
from tests.running import call

DONE = StageOnDisk("MELD/convert", "done", "", 4.2, None, "2026-01-01T00:00:00", "", "f")
TRAIN = StageOnDisk("MELD/train", "running", "step 30/90, loss 0.5", 190.0, 380.0, "2026-01-01T00:00:05", "", "f")
FAILED = StageOnDisk("MOSI/train", "failed", "step 4/90", 8.0, None, "2026-01-01T00:00:05", "it broke", "f")
OWNER = Owner("a", 12, "2026-01-01T12:01:00+00:00")
RUN = RunOnDisk(True, 5, 1, 4000.0, {"MELD": OWNER}, (DONE, DONE, TRAIN, FAILED), ("IEMOCAP", "MOSI/infer"))


class Looks:
    """What is seen, look by look; at the end the user stops it, or nothing runs."""

    def __init__(self, *seen: RunOnDisk | type[KeyboardInterrupt]):
        self.seen: Iterator[Any] = iter(seen)

    def __call__(self) -> dict[str, RunOnDisk]:
        found = next(self.seen)
        if isinstance(found, RunOnDisk):
            return {"mine": found}
        raise found


@pytest.fixture(autouse=True)
def slept(watch: Clock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeps that only move the clock."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        watch.now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    return slept


def texts(run: RunOnDisk) -> list[str]:
    return [text for text, _ in lines("mine", run)]


def further(steps: int) -> RunOnDisk:
    return replace(RUN, stages=(*RUN.stages[:2], replace(TRAIN, progress=f"step {steps}/90"), FAILED))


def test_the_lines_of_a_run() -> None:
    assert texts(RUN) == [
        "mine: running",
        "1 of 5 jobs are done, about 1 h 5 min left",
        f"{OWNER} works on MELD",
        "  MELD/train  step 30/90, loss 0.5  3:10  about 6 min left",
        "  MOSI/train  failed  step 4/90  8.0 s  it broke",
        "  2 stages are done",
        "  IEMOCAP, MOSI/infer wait",
    ]
    assert texts(RunOnDisk(False, None, 0, None, {}, (), (), "no recipe")) == ["mine: not running", "  no recipe"]
    some = replace(RUN, owners={f"job{number}": OWNER for number in range(9)}, waiting=[str(n) for n in range(9)])
    assert texts(some)[2] == f"{OWNER} works on job0, job1, job2, job3, job4, job5 and 3 more"
    assert texts(some)[-1] == "  0, 1, 2, 3, 4, 5 and 3 more wait"


@pytest.mark.parametrize(("width", "height"), [(10, 3), (79, 22), (1, 1)])
def test_lines_fit_the_terminal(width: int, height: int) -> None:
    found = fitted(lines("情感分析" * 9, RUN), width, height)
    assert len(found) == min(height, 7)
    assert max(cells_of(text) for text, _ in found) <= width
    if height == 3:
        assert found[-1][0].startswith("and ")


def blocks(text: str) -> Sequence[str]:
    return text.strip().split("\n\n")


def test_without_a_terminal_a_block_for_each_change(slept: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    over = replace(RUN, running=False, owners={}, stages=(DONE, DONE, replace(TRAIN, state="done"), FAILED))
    watch_runs(Looks(RUN, RUN, RUN, replace(RUN, jobs_done=2), over), 2.0)
    found = blocks(capsys.readouterr().out)
    assert [block.splitlines()[:2] for block in found] == [
        ["mine: running", "1 of 5 jobs are done, about 1 h 5 min left"],
        ["mine: running", "2 of 5 jobs are done, about 1 h 5 min left"],
        ["mine: not running", "1 of 5 jobs are done, about 1 h 5 min left"],
    ]
    assert slept == [2.0] * 4


def test_without_a_terminal_progress_is_told_twice_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    with_end = [*(further(step) for step in range(61)), KeyboardInterrupt]
    watch_runs(Looks(*with_end), 2.0)  # two minutes
    said = [line.split()[2] for line in capsys.readouterr().out.splitlines() if "MELD/train" in line]
    assert said == ["0/90,"[:-1], "15/90", "30/90", "45/90", "60/90"]


def test_on_a_terminal_lines_are_written_over(terminal: Sized, watch: Clock) -> None:
    written, screen = terminal(60, 12), Screen(60, 12)
    seen: list[list[str]] = []

    def look() -> dict[str, RunOnDisk]:
        screen.feed(written.taken())
        seen.append(screen.shown())
        if len(seen) == 5:
            raise KeyboardInterrupt
        return {"mine": further(len(seen))}

    watch_runs(look, 2.0)
    screen.feed(written.taken())
    assert [[line for line in shown if "MELD/train" in line] for shown in seen] == [
        [], *([f"  MELD/train  step {step}/90  3:10  about 6 min left"] for step in (1, 2, 3, 4))
    ]  # fmt: skip
    assert [len(shown) for shown in seen] == [0, 7, 7, 7, 7]
    assert screen.shown()[:2] == ["mine: running", "1 of 5 jobs are done, about 1 h 5 min left"], "the last stays"
    assert len(screen.shown()) == 7
    assert not screen.hidden


def test_a_terminal_on_which_nothing_can_move_gets_plain_lines(
    terminal: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = terminal(60, 12)
    monkeypatch.setenv("TERM", "dumb")
    watch_runs(Looks(RUN, RUN, replace(RUN, running=False, owners={})), 2.0)
    said = written.taken()
    assert "\x1b" not in said
    assert [line for line in said.splitlines() if line.startswith("mine:")] == ["mine: running", "mine: not running"]


def test_a_run_whose_jobs_wait_for_their_turn_is_looked_at_until_its_process_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits = RunOnDisk(True, 2, 0, None, {}, (), ("demo", "MELD"), at_work=(OWNER,))
    watch_runs(Looks(waits, waits, replace(waits, running=False, at_work=())), 2.0)
    assert blocks(capsys.readouterr().out) == [
        f"mine: waiting\n0 of 2 jobs are done\n{OWNER} waits for its turn\n  demo, MELD wait",
        "mine: not running\n0 of 2 jobs are done\n  demo, MELD wait",
    ]
    assert texts(replace(RUN, at_work=(OWNER,))) == texts(RUN), "whoever works does not wait"


def test_where_nothing_runs_it_ends_at_once(tmp_path: Path, slept: list[float]) -> None:
    (tmp_path / "mine" / "demo" / "train-0").mkdir(parents=True)
    (tmp_path / "mine" / "demo" / "train-0" / "stage.json").write_text("{}")
    said = call("status", "--watch", "--runs-dir", tmp_path)
    assert said == "mine: not running\n  demo/train  damaged\n\n"
    assert slept == []
    assert "leave one of them out" in call("status", "--watch", "--json", "--runs-dir", tmp_path, code=2)
