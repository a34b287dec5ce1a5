"""Finding and ending every process of a run, wherever it went.

A process inherits its environment through any number of forks, sessions and launchers (torchrun, DeepSpeed),
so a variable marks all that belongs to a stage better than process groups, which launchers leave.

Run as a program it is the watchdog: it waits until its standard input closes, which the kernel does when the
orchestrator ends, even by ``kill -9``, and then ends what is left of the run.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

RUN_MARK = "MMLA_ORCHESTRATOR_RUN"
STAGE_MARK = "MMLA_ORCHESTRATOR_STAGE"


def marked(name: str, value: str) -> Iterator[psutil.Process]:
    """The processes of this user whose environment holds name=value, except this one."""
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(name) == value:
                yield process


def end(name: str, value: str, grace: float = 5.0) -> int:
    """End the marked processes: SIGTERM, then after `grace` seconds SIGKILL. Returns how many there were."""
    ended: set[int] = set()
    start = time.monotonic()
    while processes := list(marked(name, value)):
        waited = time.monotonic() - start
        for process in processes:
            with contextlib.suppress(psutil.Error):
                if process.pid not in ended:
                    process.terminate()
                elif waited >= grace:
                    process.kill()
            ended.add(process.pid)
        if waited > grace + 30:
            break  # a process in uninterruptible sleep: the kernel will not give it back
        # not psutil's wait: it would reap the child and take its exit status from subprocess
        time.sleep(0.05)
    return len(ended)


def start_watchdog(run_id: str) -> subprocess.Popen[bytes]:
    """Start the watchdog of a run: close its standard input to let it go."""
    return subprocess.Popen(
        [sys.executable, "-m", "orchestrator.machine.processes", run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(RUN_MARK, sys.argv[1], grace=2.0)
