"""Ending processes by their mark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator.machine import processes

SLEEPS = (sys.executable, "-c", "import time; time.sleep(99)")


def test_ignored_sigterm_is_followed_by_sigkill(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(99)"
    )
    env = dict(os.environ) | {processes.STAGE_MARK: str(tmp_path.resolve())}
    child = subprocess.Popen([sys.executable, "-c", stubborn], env=env, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert processes.end(processes.STAGE_MARK, str(tmp_path.resolve()), grace=0.3) == 1
    assert child.wait(30) == -signal.SIGKILL
    child.stdout.close()


def test_what_is_left_below_a_folder_is_ended_and_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    left = [
        subprocess.Popen(SLEEPS, env=os.environ | {processes.STAGE_MARK: str(folder.resolve())})
        for folder in (run / "demo" / "train-1", run / "MELD" / "infer-2", tmp_path / "run2" / "demo" / "train-1")
    ]
    try:
        ended = processes.end_below(run)
        assert sorted(int(text.split()[0]) for text in ended) == sorted(child.pid for child in left[:2])
        assert [child.wait(30) for child in left[:2]] == [-signal.SIGTERM] * 2
        assert left[2].poll() is None, "another run's"
        assert processes.end_below(run) == []
    finally:
        for child in left:
            child.kill()
            child.wait()


@pytest.fixture
def misleading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and a PYTHONPATH, of modules that break whoever takes them for the real ones."""
    for name in ("orchestrator", "psutil", "runpy", "select"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    return tmp_path


def watches(run_id: str) -> bool:
    """Whether a watchdog ends a marked process once the one that started it is gone."""
    child = subprocess.Popen(["sleep", "99"], env=os.environ | {processes.RUN_MARK: run_id})
    try:
        watchdog = processes.start_watchdog(run_id)
        watchdog.communicate()
        return child.wait(30) == -signal.SIGTERM
    finally:
        child.kill()
        child.wait()


def test_a_watchdog_starts_wherever_it_is_started(misleading: Path) -> None:
    assert watches("misled")


def test_a_watchdog_starts_in_a_folder_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert watches("in no folder")


def test_a_watchdog_finds_psutil_where_only_this_python_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "psutil").symlink_to(Path(psutil.__file__).parent)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.path.insert(0, {str(Path.cwd())!r})\n"
        "from orchestrator.machine import processes\n"
        "processes.start_watchdog('x').communicate(); print('watched')"
    )
    # the interpreter below the virtual environment knows no packages
    base = [str(Path(sys.base_prefix) / "bin" / "python3"), "-I", "-S", "-c", program]
    done = subprocess.run(base, capture_output=True, text=True)
    assert done.stdout == "watched\n", done.stderr


@pytest.mark.parametrize(("program", "reason"), [("/bin/false", "it says nothing"), ("/nowhere", "No such file")])
def test_a_watchdog_that_does_not_start_is_noticed(program: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(OSError, match=reason):
        processes.start_watchdog("x")
