"""What a Slurm job does with signals and exit statuses; `scontrol` is a file that a test writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.launch.slurm import itself
from tests.running import wait_until

# in place of the orchestrator: ends as it would, or waits for SIGTERM; each signal is one line
PROGRAM = """
import pathlib, signal, sys, time
seen = pathlib.Path(sys.argv[1])
def stop(*_):
    with seen.open("a") as file: file.write("TERM\\n")
    time.sleep(0.4)
    sys.exit(int(sys.argv[2]))
if sys.argv[2].startswith("now"): sys.exit(int(sys.argv[2][3:]))
signal.signal(signal.SIGTERM, stop)
seen.touch()
time.sleep(60)
"""
JOB = f"""
import sys
from orchestrator.launch.slurm import job
sys.exit(job.main(sys.argv[1:], ("-c", {PROGRAM!r})))
"""
SHOWN = "JobId=7 JobName=x\\n JobState={} Reason=None\\n PreemptEligibleTime=1 PreemptTime={}"


class Place(NamedTuple):
    """A job's folder, what the orchestrator saw, what scontrol was asked, and its environment."""

    folder: Path
    seen: Path
    asked: Path
    env: dict[str, str]

    def start(self, status: str, *, requeues: int = 2) -> subprocess.Popen[str]:
        words = (str(requeues), str(self.seen), status, "--only", self.folder.name)
        argv = [sys.executable, "-c", JOB, str(self.folder.parent), *words]
        return subprocess.Popen(argv, env=self.env, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def signalled(self, status: str, *numbers: signal.Signals, requeues: int = 2) -> tuple[int, str]:
        self.seen.unlink(missing_ok=True)
        process = self.start(status, requeues=requeues)
        try:
            wait_until(self.seen.exists, 30)
            for number in numbers:
                process.send_signal(number)
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
        return process.returncode, said

    def requeued(self) -> int:
        return self.asked.read_text().count("requeue 7\n") if self.asked.exists() else 0


@pytest.fixture
def place(tmp_path: Path, signals_arrive: None) -> Place:
    return make_place(tmp_path, "RUNNING")


def make_place(tmp_path: Path, state: str, preempted: str = "None", status: int = 0) -> Place:
    programs, folder = tmp_path / "bin", tmp_path / "runs" / "recipe" / "MELD"
    for one in (programs, folder):
        one.mkdir(parents=True, exist_ok=True)
    asked, scontrol = tmp_path / "asked", programs / "scontrol"
    refused = f"if [ $1 = requeue ] && [ {status} != 0 ]; then echo 'not allowed' >&2; exit {status}; fi"
    text = SHOWN.format(state, preempted)
    scontrol.write_text(f'#!/bin/sh\necho "$*" >> {asked}\n{refused}\nprintf "{text}\\n"\n')
    scontrol.chmod(0o755)
    env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "MMLA_SLURM_JOB": "5_2"}
    return Place(folder, tmp_path / "seen", asked, env)


@pytest.mark.parametrize("status", [0, 1, 2])
def test_other_statuses_are_final(place: Place, status: int) -> None:
    process = place.start(f"now{status}")
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said, place.requeued()) == (status, "", 0)


def test_a_warning_ends_the_run_and_requeues(place: Place) -> None:
    status, said = place.signalled("130", signal.SIGUSR1)
    assert (status, place.requeued()) == (130, 1)
    assert place.seen.read_text() == "TERM\n"
    assert "SIGUSR1: the run is told to end" in said
    assert "waits in the queue again" in said


def test_of_several_signals_the_run_hears_once(place: Place) -> None:
    status, _ = place.signalled("130", signal.SIGCONT, signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1)
    assert (status, place.requeued(), place.seen.read_text()) == (130, 1, "TERM\n")


def test_a_run_that_ends_well_meanwhile_is_done(place: Place) -> None:
    assert place.signalled("0", signal.SIGUSR1)[0] == 0
    assert place.requeued() == 0


def test_a_failure_stays_one(place: Place) -> None:
    assert place.signalled("1", signal.SIGUSR1)[0] == 1
    assert place.requeued() == 0


@pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "PENDING"])
def test_what_slurm_ends_itself_is_not_requeued(tmp_path: Path, state: str, signals_arrive: None) -> None:
    place = make_place(tmp_path, state)
    status, said = place.signalled("130", signal.SIGTERM)
    assert (status, place.requeued()) == (130, 0)
    assert "was ended by Slurm" in said


def test_preemption_that_only_sends_sigcont(tmp_path: Path, signals_arrive: None) -> None:
    place = make_place(tmp_path, "RUNNING", preempted="2026-11-26T08:17:54")
    status, said = place.signalled("130", signal.SIGCONT)
    assert (status, place.requeued()) == (130, 1)
    assert "SIGCONT: the run is told to end" in said


def test_sigcont_alone_says_nothing(place: Place) -> None:
    process = place.start("130")
    try:
        wait_until(place.seen.exists, 30)
        process.send_signal(signal.SIGCONT)
        wait_until(place.asked.exists, 30)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert place.seen.read_text() == ""
        process.send_signal(signal.SIGUSR1)
        assert process.wait(30) == 130
    finally:
        process.kill()


def test_no_progress_is_given_up(place: Place) -> None:
    found = [place.signalled("130", signal.SIGUSR1, requeues=2) for _ in range(3)]
    assert [status for status, _ in found] == [130, 130, 1]
    assert place.requeued() == 2
    assert "was begun 3 times in a row and stopped each time" in found[2][1]
    assert "slurm.requeues" in found[2][1]


def test_progress_is_requeued_for_ever(place: Place) -> None:
    (place.folder / "infer-1").mkdir()
    (place.folder / "infer-1" / "stage.json").write_text('{"state": "running", "stage": "infer", "key": "1"}')
    for number in range(1, 5):
        (place.folder / "infer-1" / "predictions.jsonl").write_text("{}\n" * number)
        assert place.signalled("130", signal.SIGUSR1, requeues=1)[0] == 130
    assert place.requeued() == 4


def test_starts_that_slurm_makes_itself_count(place: Place) -> None:
    for _ in range(3):  # as after a node failed: nobody could note how it ended
        place.seen.unlink(missing_ok=True)
        process = place.start("130", requeues=2)
        wait_until(place.seen.exists, 30)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    process = place.start("130", requeues=2)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "was begun 3 times in a row" in said


def test_a_refused_requeue_says_why(tmp_path: Path, signals_arrive: None, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make_place(tmp_path, "RUNNING", status=1)
    monkeypatch.setattr(itself, "PAUSE_SECONDS", 0)
    for name in ("PATH", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, place.env[name])
    assert itself.runs()
    with pytest.raises(OrchestratorError, match="scontrol fails: not allowed"):
        itself.requeue()
    assert place.requeued() == itself.TRIES


def test_the_run_ends_with_a_job_that_is_killed(place: Place) -> None:
    """Out of memory, for example: not every Slurm finds what such a job leaves."""
    process = place.start("130")
    try:
        wait_until(place.seen.exists, 30)
        (run,) = psutil.Process(process.pid).children()
        process.kill()
        process.wait(30)
        wait_until(lambda: not run.is_running() or run.status() == psutil.STATUS_ZOMBIE, 20)
    finally:
        process.kill()
    assert place.seen.read_text() == "TERM\n"


def test_a_folder_that_cannot_be_written_is_said_in_words(place: Place) -> None:
    (place.folder.parent / "slurm").write_text("no folder")
    said, _ = (process := place.start("now0")).communicate(timeout=30)
    assert process.returncode == 1
    assert said.startswith(f"slurm job: cannot begin: {place.folder.parent / 'slurm'}")
