"""Locks of work that one process does at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.machine.locks import updating, waiting_lock, work_lock


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_worked_on_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    without_locks(monkeypatch, number)
    with work_lock(tmp_path / "work", "busy", "wait") as held:
        assert not held
    with waiting_lock(tmp_path / "file", "waits") as file:
        file.write(b"x")
    assert capsys.readouterr().err.count("has no locks: see that no other process works on it") == 1


def test_another_error_of_a_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch, errno.EIO)
    with (
        pytest.raises(InputError, match="cannot be locked: Input/output error"),
        work_lock(tmp_path / "work", "busy", "wait"),
    ):
        pass


def test_work_is_one_process_s_and_its_lock_goes_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    with work_lock(lock, "another download", "wait for it") as held:
        assert held
        expected = rf"another download \(process {os.getpid()}\)\n    wait for it"
        with pytest.raises(InputError, match=expected), work_lock(lock, "another download", "wait for it"):
            pass
        assert lock.exists(), "whoever was refused leaves it"
    assert list(tmp_path.iterdir()) == []
    with work_lock(lock, "another download", "wait for it"):
        (lock.parent / "file").touch()
    assert [path.name for path in lock.parent.iterdir()] == ["file"]


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, really, opened = tmp_path / "lock", fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        opened.append(descriptor)
        if len(opened) == 1:  # whoever had it goes just now
            lock.unlink()
        really(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with work_lock(lock, "busy", "wait"):
        assert lock.exists()
        assert len(opened) == 2


def test_a_full_disk_takes_a_lock_without_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with work_lock(tmp_path / "work", "busy", "wait") as held:
        assert held
        with pytest.raises(InputError, match=r"busy \(process unknown\)"), work_lock(tmp_path / "work", "busy", ""):
            pass


COUNT = """
import pathlib, sys
from orchestrator.machine.locks import updating
path = pathlib.Path(sys.argv[1])
for _ in range(50):
    with updating(path):
        path.write_text(str(int(path.read_text() or 0) + 1) if path.exists() else "1")
"""


def test_of_processes_and_threads_that_change_a_file_none_s_change_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "new" / "count"
    programs = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(3)]

    def count() -> None:
        for _ in range(50):
            with updating(path):
                path.write_text(str(int(path.read_text() or 0) + 1) if path.exists() else "1")

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(count) for _ in range(3)]:
            done.result()
    assert [program.wait() for program in programs] == [0] * 3
    assert path.read_text() == "300"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_where_the_disk_has_no_locks_a_file_is_changed_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    without_locks(monkeypatch, number)
    with updating(tmp_path / "file"):
        (tmp_path / "file").touch()
    (tmp_path / "none").touch()
    with updating(tmp_path / "none" / "file"):
        pass


def test_a_lock_that_is_free_in_a_moment_is_waited_for_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor() as pool, ExitStack() as held:
        held.enter_context(waiting_lock(tmp_path / "lock", "never said"))

        def other() -> None:
            with waiting_lock(tmp_path / "lock", "waits for the other"):
                pass

        waits = pool.submit(other)
        time.sleep(0.1)
        held.close()
        waits.result()
        assert capsys.readouterr().err == ""
        held.enter_context(waiting_lock(tmp_path / "lock", ""))
        waits = pool.submit(other)
        time.sleep(1.5)
        assert not waits.done()
        held.close()
        waits.result()
    assert capsys.readouterr().err == "waits for the other\n"
