"""Who a lock file names, and whether that process lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psutil
import pytest

from orchestrator.machine import owners
from orchestrator.machine.owners import DEAD_SECONDS, Note, Owner, lives, own_note, read_note

NOW, LATE = 5.0, DEAD_SECONDS + 5
OTHER_PROCESS = {"started": 1e9}
CONTAINER = {"pid_space": "pid:[1]"}
BOOTED = {"boot": "another"}
ELSEWHERE = {"host": "elsewhere"}


def test_who_works_there_is_said_with_the_date_where_it_is_not_today() -> None:
    now = datetime.now().astimezone()
    owner = Owner("a", 123, now.isoformat(), "77", 3.0)
    assert str(owner) == f"process 123 on host a (Slurm job 77) since {now:%H:%M}"
    past = now - timedelta(days=2)
    assert str(Owner("a", 123, past.isoformat())) == f"process 123 on host a since {past:%Y-%m-%d %H:%M}"
    assert str(Owner("", 0, "")) == "a process that has not given its name"


def test_what_is_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    note = own_note()
    assert read_note(note.text.encode()) == note
    assert note.text.count("\n") == 1
    owner = note.owner(3.04)
    assert (owner.pid, owner.scheduler_job, owner.beat_seconds) == (os.getpid(), "77", 3.0)
    assert own_note().token != note.token
    monkeypatch.delenv("SLURM_JOB_ID")
    assert own_note().scheduler_job is None


@pytest.mark.parametrize(
    "changes", [{"pid": "1"}, {"started": None}, {"since": "then"}, {"since": None}, {"token": "../x"}, {"host": ""}]
)
def test_what_is_damaged_says_nothing(changes: dict[str, Any]) -> None:
    text = own_note().text
    assert read_note(json.dumps(json.loads(text) | changes).encode()) is None
    assert read_note(text[:-5].encode()) is None
    assert read_note(b"") is read_note(b"[]") is read_note(b"\xff") is None


def note(**changes: Any) -> Note:
    return replace(own_note(), **{"locked": True, **changes})


@pytest.mark.parametrize(
    ("changes", "held", "age", "expected"),
    [
        # the kernel holds it
        (OTHER_PROCESS, True, LATE, True),
        (ELSEWHERE, True, LATE, True),
        # a process here: it is looked for
        ({}, False, LATE, True),
        ({}, None, LATE, True),
        (OTHER_PROCESS, False, NOW, False),
        (OTHER_PROCESS, None, NOW, False),
        # another container of this machine: the kernel knows; without locks its signs of life tell
        (CONTAINER, False, NOW, False),
        (CONTAINER | {"locked": False}, False, NOW, True),
        (CONTAINER | {"locked": False}, False, LATE, False),
        (CONTAINER, None, NOW, True),
        (CONTAINER, None, LATE, False),
        # the machine was started anew, or is another one: a lock that is free proves nothing
        (BOOTED, False, NOW, True),
        (BOOTED, False, LATE, False),
        (ELSEWHERE, False, NOW, True),
        (ELSEWHERE, False, LATE, False),
        (ELSEWHERE, None, NOW, True),
        (ELSEWHERE, None, LATE, False),
    ],
)
def test_who_lives(changes: dict[str, Any], held: bool | None, age: float, expected: bool) -> None:
    assert lives(note(**changes), held, age) is expected


def test_a_file_without_a_name_is_being_written_for_a_while() -> None:
    assert [lives(None, held, NOW) for held in (True, False, None)] == [True, True, True]
    assert [lives(None, held, LATE) for held in (True, False, None)] == [True, False, False]


def test_a_process_that_has_ended_is_dead_before_its_parent_hears_of_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        theirs = note(pid=child.pid, started=owners._started(child.pid))
        assert lives(theirs, None, LATE)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert not lives(theirs, None, NOW)
    assert not lives(theirs, None, NOW)


def test_where_processes_of_others_are_hidden_their_signs_of_life_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(pid: int) -> psutil.Process:
        raise psutil.NoSuchProcess(pid)

    mine = note()
    monkeypatch.setattr(psutil, "Process", hidden)
    assert lives(mine, None, NOW)
    assert not lives(mine, None, LATE)
    monkeypatch.setattr(psutil, "pid_exists", lambda _: False)
    assert not lives(mine, None, NOW)
