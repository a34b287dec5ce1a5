"""The line that says that something goes on."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.machine import meter
from orchestrator.machine.meter import Meter, written
from tests.benchmarks.silence import listen
from tests.shared import ROOT

PROGRAM = (sys.executable, "-m", "orchestrator.machine.meter", "making it")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow one; to be called in a test, whose standard error is another than that of its fixtures."""
    monkeypatch.setattr(meter, "QUICK_SECONDS", 0.2)
    monkeypatch.setattr(meter, "TERMINAL_SECONDS", 0.02)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def test_quick_work_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    on_a_terminal(monkeypatch)
    with Meter("work") as working:
        working(1, 1)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_one_line_moves_and_the_last_state_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    with Meter("work") as working:
        working.doing = "a long word"
        time.sleep(0.4)
        working(1_500, 2_000)
        time.sleep(0.1)
        working(2_000, 2_000)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith("\rwork: 2,000 of 2,000 (100%), 0:00:00\n")
    states = said.strip().split("\r")
    assert len(states) > 5
    assert states[0] == "work: a long word, 0:00:00"
    assert "work: 1,500 of 2,000 (75%), 0:00:00" in states


def test_what_stood_there_is_painted_over_and_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    with Meter("work") as working:
        working.doing = "x" * 60
        time.sleep(0.4)
        working.doing = ""
        time.sleep(0.2)
    states = capsys.readouterr().err.strip("\n").split("\r")[1:]
    assert states[0] == f"work: {'x' * 33}", "a wider one would begin a line of the terminal anew each time"
    assert "work: 0:00:00" + " " * 26 in states


def test_elsewhere_a_line_now_and_then_also_when_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(meter, "PLAIN_SECONDS", 0.1)
    with Meter("work") as working:
        working.more = lambda: "much"
        time.sleep(0.35)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 4
    assert set(lines) == {"work: much, 0:00:00"}


def test_of_two_the_inner_one_tells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(meter, "PLAIN_SECONDS", 0.1)
    with Meter("work"):
        with Meter("waiting"):
            time.sleep(0.35)
        inner = capsys.readouterr().err
        time.sleep(0.35)
    assert set(inner.splitlines()) == {"waiting: 0:00:00"}
    assert set(capsys.readouterr().err.splitlines()) == {"work: 0:00:00"}


def test_how_much_a_process_wrote() -> None:
    program = "import sys; open('/dev/null', 'wb').write(bytes(5_600_000)); print('x', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"x\n"
        assert written(process.pid) == "5 MB written"
    assert written(process.pid) == ""
    assert re.fullmatch(r"|[\d,]+ MB written", written(1))


def test_as_a_program_it_tells_of_a_command_and_then_what_that_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = subprocess.run([*PROGRAM, "sh", "-c", "echo out; echo err >&2; exit 4"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "out\nerr\n")
    assert subprocess.run([*PROGRAM, "sh", "-c", "kill -9 $$"]).returncode == 137
    heard = listen([*PROGRAM, "sleep", "2.5"], terminal=True)
    assert heard.status == 0
    assert heard.outputs >= 3
    assert heard.longest.seconds < 2.2


def test_it_needs_nothing_that_is_installed() -> None:
    file = Path(meter.__file__)
    done = subprocess.run([sys.executable, "-I", "-S", str(file), "making it", "sh", "-c", "exit 5"])
    assert done.returncode == 5
