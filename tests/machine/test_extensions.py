"""Locks of a compilation go where nobody compiles."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.machine.extensions import STALE_SECONDS, compiled_extensions

HOLD = "import sys, pathlib; from orchestrator.machine.extensions import compiled_extensions as use\n"
HOLD += "with use(pathlib.Path(sys.argv[1])): print('in', flush=True); input()"


def compiling(folder: Path, age: float = 0.0) -> Path:
    lock = folder / "py311_cu128" / "fused_adam" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (time.time() - age,) * 2)
    return lock


def test_what_a_killed_compilation_left_goes_and_what_one_uses_stays(tmp_path: Path) -> None:
    left = compiling(tmp_path)
    with compiled_extensions(tmp_path):
        assert not left.exists()
        used = compiling(tmp_path)
        with compiled_extensions(tmp_path), compiled_extensions(tmp_path):
            assert used.exists()
    with compiled_extensions(tmp_path):
        assert not used.exists()


def test_another_process_uses_it_until_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / ".torch_extensions"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"in\n"
        lock = compiling(folder)
        with compiled_extensions(folder):
            assert lock.exists()
        old = compiling(folder, STALE_SECONDS + 60)
        with compiled_extensions(folder):
            assert not old.exists(), "nothing compiles for so long"
        lock = compiling(folder)
        other.kill()
    with compiled_extensions(folder):
        assert not lock.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_only_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = compiling(tmp_path, STALE_SECONDS - 60)
    with compiled_extensions(tmp_path):
        assert lock.exists()
    lock = compiling(tmp_path, STALE_SECONDS + 60)
    with compiled_extensions(tmp_path):
        assert not lock.exists()


def test_of_many_that_begin_at_once_none_loses_its_lock(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def stage(number: int) -> bool:
        together.wait()
        with compiled_extensions(tmp_path):
            lock = tmp_path / f"op{number}" / "lock"
            lock.parent.mkdir()
            lock.touch()
            time.sleep(0.05)
            return lock.exists()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(stage, range(8))) == [True] * 8
