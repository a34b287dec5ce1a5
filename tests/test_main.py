"""What the machine refuses is a message that says what to do; a fault of the program is shown whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import ls
from orchestrator.errors import _REMEDIES as REMEDIES
from tests.running import call
from tests.shared import ROOT


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ls, "print_list", fail)


@pytest.mark.parametrize("number", REMEDIES)
def test_what_the_machine_refuses_is_said_with_what_to_do(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, OSError(number, os.strerror(number), "some/file"))
    said = call("ls", "tasks", code=1)
    assert said == f"error: some/file: {os.strerror(number)}\n    {REMEDIES[number]}\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("x.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
)
def test_memory_that_ran_out_is_named(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, error)
    assert call("ls", "tasks", code=1) == f"error: Cannot allocate memory\n    {REMEDIES[errno.ENOMEM]}\n"


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "No such file", "x"), OSError("odd")])
def test_a_fault_of_the_program_is_shown_whole(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, error)
    said = call("ls", "tasks", code=1)
    assert said.startswith("Traceback (most recent call last):\n")
    assert said.endswith(
        "error: this is a fault of the program: please report it with the lines above and the command\n"
    )


def test_a_name_that_is_too_long() -> None:
    said = call("data", "check", "--data-root", f"/tmp/{'x' * 300}", code=1)
    assert said.endswith(f"File name too long\n    {REMEDIES[errno.ENAMETOOLONG]}\n")
    assert "Traceback" not in said


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    said = call("run", "x.yaml", "--runs-dir", "~nobody-of-that-name/runs", code=2)
    assert said == "error: there is no home directory for the `~` in a path\n    write the path whole, or set HOME\n"


def test_little_memory_for_real() -> None:
    limited = f"ulimit -v 30000; {sys.executable} -m orchestrator ls tasks"
    done = subprocess.run(["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith(f"error: Cannot allocate memory\n    {REMEDIES[errno.ENOMEM]}\n")
    assert "Traceback" not in done.stderr


def test_a_working_directory_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = call("ls", "tasks", code=2)
    what, todo = "the working directory was deleted", "change to a folder that exists, and run the same command again"
    assert said == f"error: {what}\n    {todo}\n"


def test_modules_of_the_user_s_are_not_taken_for_the_real_ones(tmp_path: Path) -> None:
    for name in ("json", "random", "yaml", "pydantic", "typer", "rich", "errno"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "orchestrator", "ls", "tasks", "--json"]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
