"""Finding and ending every process of a run, wherever it went.

A process inherits its environment through any number of forks, sessions and launchers (torchrun, DeepSpeed),
so a variable marks all that belongs to a stage better than process groups, which launchers leave.

Run as a program it is the watchdog: it waits until its standard input closes, which the kernel does when the
orchestrator ends, even by ``kill -9``, and then ends what is left of the run.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

RUN_MARK = "MMLA_ORCHESTRATOR_RUN"
STAGE_MARK = "MMLA_ORCHESTRATOR_STAGE"
WATCHING = b"watching\n"
START_SECONDS = 60.0  # for a Python to start on a busy machine
GRACE = 30.0  # seconds that a process has to finish what it writes
PATIENCE = 1.0  # seconds after which it is said that one is waited for


def marked(name: str, value: str, *, below: bool = False) -> Iterator[psutil.Process]:
    """The processes of this user whose environment holds name=value, except this one; ``below``: or a path below it."""
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            mark = process.environ().get(name, "")
            if mark == value or (below and mark.startswith(f"{value}{os.sep}")):
                yield process


def end(
    name: str,
    value: str,
    grace: float = GRACE,
    waiting: Callable[[], None] = lambda: None,
    hurry: Callable[[], bool] = lambda: False,
    *,
    below: bool = False,
) -> int:
    """End the marked processes: SIGTERM, then after `grace` seconds SIGKILL; with no grace SIGKILL at once.

    Returns:
        How many there were; ``waiting`` is called once when some take longer, ``hurry`` says that there is no more
        grace.
    """
    ended: set[int] = set()
    told = False
    start = time.monotonic()
    while processes := list(marked(name, value, below=below)):
        waited = time.monotonic() - start
        grace = 0.0 if hurry() else grace
        for process in processes:
            with contextlib.suppress(psutil.Error):
                if waited >= grace:
                    process.kill()
                elif process.pid not in ended:
                    process.terminate()
            ended.add(process.pid)
        if not told and PATIENCE <= waited < grace:
            told = True
            waiting()
        if waited > grace + 30:
            break  # a process in uninterruptible sleep: the kernel will not give it back
        # not psutil's wait: it would reap the child and take its exit status from subprocess
        time.sleep(0.05)
    return len(ended)


def end_below(
    folder: Path,
    grace: float = GRACE,
    waiting: Callable[[], None] = lambda: None,
    hurry: Callable[[], bool] = lambda: False,
) -> list[str]:
    """End what any stage below a folder left running, as `end`; returns which processes, e.g. ``1234 (python)``."""
    value = str(folder.resolve())
    found = []
    for process in marked(STAGE_MARK, value, below=True):
        with contextlib.suppress(psutil.Error):
            found.append(f"{process.pid} ({process.name()})")
    if found:
        end(STAGE_MARK, value, grace, waiting, hurry, below=True)
    return found


def start_watchdog(run_id: str, grace: float = GRACE) -> subprocess.Popen[bytes]:
    """Start the watchdog of a run, which ends with that grace, and see that it watches.

    Close its standard input to let it go.

    Raises:
        OSError: it does not start; the error says why.
    """
    # isolated, and this file by its path: whatever lies in the working directory, or PYTHON* name, is not taken for
    # the modules that it needs; psutil's folder comes last, for it may be one that only the user's Python knows
    program = "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_path(sys.argv.pop(2), run_name='__main__')"
    package = str(Path(psutil.__file__).resolve().parents[1])
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", program, package, str(Path(__file__).resolve()), run_id, str(grace)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout
    said = process.stdout.readline() if select.select([process.stdout], [], [], START_SECONDS)[0] else b""
    if said != WATCHING:
        process.kill()
        lines = (said + process.communicate()[0]).decode("utf-8", "replace").splitlines()
        raise OSError(None, lines[-1] if lines else "it says nothing")
    return process


if __name__ == "__main__":
    sys.stdout.buffer.write(WATCHING)
    sys.stdout.flush()
    sys.stdin.buffer.read()
    end(RUN_MARK, sys.argv[2], float(sys.argv[3]))
