"""``cancel``: what runs or waits of a run is ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.cancel import cancel_run
from orchestrator.launch.slurm.submitted import Submitted, submitting, write_submitted
from orchestrator.machine.leases import LOCK, owner_of
from orchestrator.machine.owners import own_note
from tests.cli.conftest import Sized
from tests.cli.slurm import Slurm, make_slurm
from tests.cli.test_in_queue import WHEN
from tests.running import attempt, call, listening, wait_until
from tests.shared import ROOT

QUEUE = (
    "7_0|RUNNING|None|2026-01-01T10:00:00|n1|1:02:03",
    "7_1|PENDING|Resources|N/A||2:00:00",
    "7_2|COMPLETED|None|N/A||2:00:00",
)
HOLDER = """\
import pathlib, sys, time
from orchestrator.machine.leases import take
lease = take(pathlib.Path(sys.argv[1]))
time.sleep(60)
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    slurm = make_slurm(tmp_path / "slurm", monkeypatch)
    slurm.says(*QUEUE)
    return slurm


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").touch()
    return folder


def submit(folder: Path) -> None:
    with submitting(folder):
        jobs = enumerate(("demo", "MELD", "MOSI"))
        write_submitted(folder, {job: Submitted(f"7_{n}", WHEN, "7.sh", f"7_{n}.log", "") for n, job in jobs})


def ended(slurm: Slurm) -> list[str]:
    return [line for line in slurm.asked if line.startswith("scancel")]


def test_what_waits_goes_before_what_runs(mine: Path, slurm: Slurm) -> None:
    submit(mine)
    assert call("cancel", "mine", "--yes", "--runs-dir", mine.parent).splitlines() == [
        "cancelled, which waited: MELD (7_1)",
        "cancelled, which ran: demo (7_0)",
        "all has ended",
        "what is done stays; the same `run --on slurm` goes on from there",
    ]
    assert ended(slurm) == ["scancel 7_1", "scancel 7_0"]
    assert call("cancel", "mine", "--yes", "--runs-dir", mine.parent) == "nothing of mine runs or waits\n"


def test_only_some_jobs(mine: Path, slurm: Slurm) -> None:
    submit(mine)
    assert "MOSI of mine neither runs nor waits" in call("cancel", "mine", "MOSI", "--runs-dir", mine.parent, code=2)
    assert "did you mean `MELD`?" in call("cancel", "mine", "MELDD", "--runs-dir", mine.parent, code=2)
    assert "cancelled, which waited: MELD" in call("cancel", "mine", "MELD", "--yes", "--runs-dir", mine.parent)
    assert ended(slurm) == ["scancel 7_1"]


def test_nothing_is_ended_where_nobody_can_be_asked(mine: Path, slurm: Slurm) -> None:
    submit(mine)
    said = call("cancel", "mine", "--runs-dir", mine.parent, code=2)
    assert said.splitlines()[:2] == ["demo: Slurm job 7_0, running", "MELD: Slurm job 7_1, pending"]
    assert "--yes ends it without asking" in said
    assert ended(slurm) == []


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("", 1), ("no", 1)])
def test_on_a_terminal_it_asks(
    mine: Path, slurm: Slurm, terminal: Sized, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    submit(mine)
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", terminal())
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    assert cancel_run("mine", (), mine.parent, yes=False) == status
    assert asked == ["End 2 Slurm jobs? [y/N] "]
    assert ended(slurm) == (["scancel 7_1", "scancel 7_0"] if answer == "y" else [])


def test_without_slurm_it_is_said(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(mine)
    monkeypatch.setenv("PATH", str(mine))
    assert "there is no `squeue` on this machine" in call("cancel", "mine", "--yes", "--runs-dir", mine.parent, code=2)


@pytest.mark.usefixtures("signals_arrive")
def test_a_run_on_this_machine_gets_sigterm_once(mine: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(mine / "demo")]
    with subprocess.Popen(argv, cwd=ROOT, preexec_fn=listening()) as holder:
        try:
            wait_until(lambda: owner_of(mine / "demo"))
            said = call("cancel", "mine", "demo", "--yes", "--runs-dir", mine.parent, code=1)
            assert "`cancel mine` without a job ends all of it" in " ".join(said.split())
            assert holder.poll() is None
            status, said = attempt("cancel", "mine", "--yes", "--runs-dir", mine.parent)
            assert holder.wait(30) == -signal.SIGTERM
        finally:
            holder.kill()
    assert status == 0, said
    assert said.startswith(f"told to end: process {holder.pid} on host ")
    assert said.endswith("all has ended\nwhat is done stays; the same `run` goes on from there\n")


@pytest.mark.parametrize(
    ("job", "how"),
    [(None, "end it there: kill 12, on elsewhere"), ("77", "was not submitted from here: scancel 77")],
)
def test_how_to_end_what_runs_elsewhere_is_said(mine: Path, job: str | None, how: str) -> None:
    (mine / "demo").mkdir()
    note = replace(own_note(), host="elsewhere", boot="another", pid=12, scheduler_job=job)
    (mine / "demo" / LOCK).write_text(note.text)
    said = call("cancel", "mine", "--yes", "--runs-dir", mine.parent, code=1)
    assert how in " ".join(said.split())
    assert said.endswith("nothing was cancelled\n")


@pytest.mark.usefixtures("signals_arrive")
def test_a_run_on_this_machine_ends_where_there_is_no_slurm(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of it were once submitted, on a machine with which this one shares its disk."""
    submit(mine)
    argv = [sys.executable, "-c", HOLDER, str(mine / "demo")]
    with subprocess.Popen(argv, cwd=ROOT, preexec_fn=listening()) as holder:
        try:
            wait_until(lambda: owner_of(mine / "demo"))
            monkeypatch.setenv("PATH", str(mine))
            said = call("cancel", "mine", "--yes", "--runs-dir", mine.parent)
            assert holder.wait(30) == -signal.SIGTERM
        finally:
            holder.kill()
    assert "note: what Slurm has of mine is not known here: there is no `squeue`" in " ".join(said.split())
