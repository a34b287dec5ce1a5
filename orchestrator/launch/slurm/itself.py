"""What a Slurm job asks of the job that it runs in."""

from __future__ import annotations

import os
import re
import subprocess
import time

from orchestrator.errors import OrchestratorError

SECONDS = 60.0  # how long a command of Slurm is waited for
TRIES, PAUSE_SECONDS = 3, 5.0  # of a controller that is busy, or is just being started again


def number() -> str:
    """Slurm's number of this job; each of an array has its own."""
    return os.environ.get("SLURM_JOB_ID", "")


def runs() -> bool:
    """Whether Slurm lets this job run; not where it ends it itself, to requeue it or because somebody cancelled it.

    Raises:
        OrchestratorError: Slurm does not answer.
    """
    return _shown("JobState") == "RUNNING"


def preempted() -> bool:
    """Whether this job runs on only until its time of grace is over, because another one wants its place."""
    try:
        return _shown("PreemptTime") not in ("", "None", "Unknown")
    except OrchestratorError:
        return False


def requeue() -> None:
    """Have Slurm end this job and begin it again later.

    Raises:
        OrchestratorError: Slurm refuses, or does not answer.
    """
    _scontrol("requeue", number())


def _shown(name: str) -> str:
    found = re.search(rf"(?:^|\s){name}=(\S*)", _scontrol("--oneliner", "show", "job", number()))
    return found[1] if found else ""


def _scontrol(*words: str) -> str:
    why = ""
    for left in reversed(range(TRIES)):
        try:
            done = subprocess.run(("scontrol", *words), capture_output=True, text=True, timeout=SECONDS)
            if not done.returncode:
                return done.stdout
            why = done.stderr.strip() or f"exit status {done.returncode}"
        except subprocess.TimeoutExpired:
            why = f"no answer within {SECONDS:g} s"
        except OSError as error:
            why = str(error.strerror)
        if left:
            time.sleep(PAUSE_SECONDS)
    raise OrchestratorError(f"`scontrol {' '.join(words)}`: {why}")
