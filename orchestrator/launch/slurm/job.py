"""The program of a Slurm job of ours: it does the work, ends it in time, and has Slurm begin it again.

    python -P -m orchestrator.launch.slurm.job RUN_FOLDER REQUEUES run RECIPE ... --only JOB

``RUN_FOLDER`` is that of the recipe, ``runs/<recipe>``; what follows ``REQUEUES`` is the orchestrator's command.
Before a time limit and when it pre-empts, Slurm sends SIGUSR1 to this process alone (``--signal=B:USR1@N``); the
orchestrator then gets SIGTERM and ends its toolkit with the recipe's grace. Its exit status is the job's, but for 130:
that work was stopped, and this job waits in the queue again, for whoever begins it to go on from there. Slurm does that
by itself where it ends a job to requeue it, or after a node failed; a job that was cancelled stays so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from orchestrator.errors import OrchestratorError, remedy
from orchestrator.launch.slurm import itself
from orchestrator.launch.slurm.headway import Headway, further, how_far
from orchestrator.machine.signals import die_with_parent
from orchestrator.machine.slurm_job import JOB_VARIABLE

STOPPED = 130  # the orchestrator's exit status where it was stopped
ENDING = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
POLL_SECONDS = 0.2


class Work:
    """The orchestrator's command as a process, and the signals that are for it."""

    def __init__(self, argv: Sequence[str], preempted: Callable[[], bool]):
        """``preempted``: asked on SIGCONT, the only signal with which some sites announce that."""
        self._argv, self._preempted = argv, preempted
        self._end: list[int] = []
        self._continued = False

    def run(self) -> int:
        """Run it; returns its exit status, 130 also where a signal came before it could heed it."""
        before = {number: signal.signal(number, self._asked) for number in (*ENDING, signal.SIGCONT)}
        try:
            # where this one is killed Slurm may lose sight of the other, which would hold a GPU that is another job's
            own = os.getpid()
            return self._wait(subprocess.Popen(self._argv, preexec_fn=lambda: die_with_parent(own)))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCONT:
            self._continued = True
        else:
            self._end.append(number)

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        told = False
        while (status := process.poll()) is None:
            if self._continued and not self._end:
                self._continued = False
                if self._preempted():
                    self._end.append(signal.SIGCONT)
            if self._end and not told:
                told = True
                say(f"{signal.Signals(self._end[0]).name}: the run is told to end, and to go on later")
                process.send_signal(signal.SIGTERM)
            time.sleep(POLL_SECONDS)
        if self._end and status in (-signal.SIGTERM, 128 + signal.SIGTERM):
            return STOPPED
        return 128 - status if status < 0 else status


def say(text: str) -> None:
    """Say something in the job's log."""
    print(f"slurm job: {text}", flush=True)


def main(words: Sequence[str], program: Sequence[str] = ("-P", "-m", "orchestrator")) -> int:
    """Do the work of a job; returns the exit status.

    Args:
        words: the run's folder, how often a job is requeued without progress, and the orchestrator's command, at whose
            end is the job's name.
        program: what Python runs.
    """
    folder, most, command = Path(words[0]) / words[-1], int(words[1]), words[2:]
    job = os.environ.get(JOB_VARIABLE) or itself.number()
    try:
        headway = Headway.begun(folder, job)
    except OSError as error:
        say(f"cannot begin: {error.filename or folder}: {error.strerror}\n    {remedy(error.errno)}".rstrip())
        return 1
    if headway.vain > most:
        return _given_up(headway.vain)
    status = Work([sys.executable, *program, *command], itself.preempted).run()
    if status != STOPPED:
        return status
    if headway.vain >= most and not further(how_far(folder), headway.done):
        return _given_up(headway.vain + 1)
    return _again()


def _again() -> int:
    """Have Slurm begin this job again, unless it does so by itself or was asked to end it for good."""
    try:
        if itself.runs():
            itself.requeue()
            say("waits in the queue again; it goes on from its last checkpoint or answer")
        else:
            say("was ended by Slurm, which begins it again if it was requeued; not if it was cancelled")
    except OrchestratorError as error:
        say(f"cannot be requeued: {error}\n    submit it again with the same command: it goes on from where it is")
    return STOPPED


def _given_up(times: int) -> int:
    say(
        f"was begun {times} times in a row and stopped each time before it had one more checkpoint or answer: "
        "it is not requeued any more (slurm.requeues)\n    give it more time (slurm.time), or have it save more often "
        "(train.save_steps, train.save_minutes), and submit it again"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
