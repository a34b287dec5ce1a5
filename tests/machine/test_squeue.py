"""What squeue says of the job of whoever has a lock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.machine import squeue
from orchestrator.machine.owners import DEAD_SECONDS, QUIET_SECONDS, lives, own_note
from orchestrator.machine.squeue import is_over, own_job

Say = Callable[..., Path]
JOB = "123_4"
NO_SUCH = "slurm_load_jobs error: Invalid job id specified"


@pytest.fixture
def squeue_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """A squeue that answers so; returns a file with a line for each time that it was asked."""
    monkeypatch.setattr(squeue, "_answers", {})
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    asked, program = tmp_path / "asked", tmp_path / "squeue"

    def say(out: str = "", error: str = "", code: int = 0) -> Path:
        lines = ["#!/bin/sh", f'echo "$@ $SQUEUE_STATES" >> {asked}', f"printf %s '{out}'", f"echo '{error}' >&2"]
        program.write_text("\n".join([*lines, f"exit {code}\n"]))
        program.chmod(0o755)
        return asked

    return say


@pytest.mark.parametrize(
    ("out", "error", "code", "expected"),
    [
        ("RUNNING             1                   \n", "", 0, False),
        ("RUNNING             2                   \n", "", 0, True),  # requeued, and it runs again
        ("COMPLETING          1                   \n", "", 0, False),  # its processes are being ended
        ("PENDING             1                   \n", "", 0, True),
        ("", "", 0, True),
        ("", NO_SUCH, 1, True),
        ("", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)", 1, None),
        ("RUNNING\n", "", 0, None),
        ("RUNNING 1\nRUNNING 1\n", "", 0, None),
    ],
)
def test_whether_a_job_is_over(squeue_says: Say, out: str, error: str, code: int, expected: bool | None) -> None:
    squeue_says(out, error, code)
    assert is_over(JOB, 1) is expected


def test_it_is_asked_for_that_job_alone_and_seldom(squeue_says: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    asked = squeue_says("RUNNING 0")
    assert [is_over(JOB, 0), is_over(JOB, 0), is_over("7", 0)] == [False] * 3
    assert asked.read_text().splitlines() == [
        "--noheader --jobs 123_4 --Format State,RestartCnt ",
        "--noheader --jobs 7 --Format State,RestartCnt ",
    ]
    squeue_says()
    now += squeue.SECONDS - 1
    assert is_over(JOB, 0) is False
    now += 1
    assert is_over(JOB, 0) is True


def test_where_there_is_no_squeue_nobody_can_tell(
    squeue_says: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue_says("RUNNING 0")
    (tmp_path / "squeue").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert is_over(JOB, 0) is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (None, 0)),
        ({"SLURM_JOB_ID": ""}, (None, 0)),
        ({"SLURM_JOB_ID": "127"}, ("127", 0)),
        ({"SLURM_JOB_ID": "127", "SLURM_RESTART_COUNT": "2"}, ("127", 2)),
        ({"SLURM_JOB_ID": "127", "SLURM_ARRAY_JOB_ID": "123", "SLURM_ARRAY_TASK_ID": "4"}, (JOB, 0)),
        ({"SLURM_ARRAY_JOB_ID": "123", "SLURM_ARRAY_TASK_ID": "4"}, (None, 0)),
    ],
)
def test_the_job_of_this_process(variables: dict[str, str], expected: tuple[str | None, int]) -> None:
    assert own_job(variables) == expected


@pytest.mark.parametrize(
    ("age", "said", "expected"),
    [
        (QUIET_SECONDS - 1, "", True),  # it gives signs of life, whatever became of its job
        (QUIET_SECONDS, "", False),
        (QUIET_SECONDS, "RUNNING 0", True),
        (QUIET_SECONDS, "RUNNING 1", False),
        (DEAD_SECONDS, "RUNNING 0", False),
    ],
)
def test_a_process_elsewhere_is_dead_once_it_is_quiet_and_its_job_over(
    squeue_says: Say, age: float, said: str, expected: bool
) -> None:
    squeue_says(said)
    note = replace(own_note(), host="elsewhere", scheduler_job=JOB)
    assert [lives(note, held, age) for held in (False, None)] == [expected] * 2
    assert lives(replace(note, scheduler_job=None), None, age) is (age < DEAD_SECONDS)
    assert lives(note, True, age)
