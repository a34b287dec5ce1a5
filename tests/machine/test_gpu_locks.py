"""Locks of GPUs, where a program in nvidia-smi's place tells which there are: no GPU is needed to lend one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.machine import gpu_locks
from orchestrator.machine.gpu_locks import GpuLocks

UUIDS = ("GPU-aa11", "GPU-bb22", "GPU-cc33")


@pytest.fixture(autouse=True)
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n" + "".join(f"echo {uuid}\n" for uuid in UUIDS))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    gpu_locks._uuids.cache_clear()
    yield program
    gpu_locks._uuids.cache_clear()


def test_two_runs_do_not_have_one_gpu_by_whatever_name(tmp_path: Path) -> None:
    mine, theirs = GpuLocks(tmp_path / "locks"), GpuLocks(tmp_path / "locks")
    assert mine.claim(["0", "1"])
    assert not theirs.claim(["2", "GPU-bb22"]), "index 1 by its UUID"
    assert not theirs.claim(["GPU-aa"]), "by its first letters"
    assert theirs.elsewhere(["0", "1", "2"]) == dict.fromkeys(("0", "1"), str(os.getpid()))
    assert mine.elsewhere(["0", "1"]) == {}, "they are its own"
    assert theirs.claim(["2"]), "it was given back when the other could not be had"
    mine.give_back(["0"])
    assert theirs.claim(["0"])


def test_who_is_killed_has_none_any_more(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from orchestrator.machine.gpu_locks import GpuLocks\n"
        "locks = GpuLocks(Path(sys.argv[1])); print(locks.claim(['0']), flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "locks")], stdout=subprocess.PIPE)
    assert other.stdout
    assert other.stdout.readline() == b"True\n"
    mine = GpuLocks(tmp_path / "locks")
    assert mine.elsewhere(["0"]) == {"0": str(other.pid)}
    assert not mine.claim(["0"])
    other.kill()
    other.wait()
    other.stdout.close()
    assert mine.elsewhere(["0"]) == {}
    assert mine.claim(["0"])


def test_an_index_that_nobody_knows_is_not_locked(tmp_path: Path, smi: Path) -> None:
    smi.unlink()
    locks = [GpuLocks(tmp_path / "locks") for _ in range(2)]
    assert [one.claim(["0", "7"]) for one in locks] == [True, True]
    assert locks[0].elsewhere(["0"]) == {}


def test_a_folder_that_cannot_be_made_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert GpuLocks(tmp_path / "file" / "locks").claim(["0"])


def test_who_gives_back_has_given_back_though_a_process_is_just_starting(tmp_path: Path) -> None:
    mine, theirs = GpuLocks(tmp_path / "locks"), GpuLocks(tmp_path / "locks")
    assert mine.claim(["0"])
    copy = os.dup(mine._held["0"])  # as a child has it between its fork and its program
    try:
        mine.give_back(["0"])
        assert theirs.claim(["0"])
    finally:
        os.close(copy)
