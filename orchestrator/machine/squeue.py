"""What Slurm says of a job that has a lock: whether the process that took it can still run."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping

SECONDS = 10.0  # that an answer may take, and that it is taken for true
_UNKNOWN_JOB = "Invalid job id"
# jobs in one of these states have no process
_WITHOUT_PROCESSES = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT")
_answers: dict[str, tuple[float, tuple[str, int] | bool | None]] = {}


def own_job(variables: Mapping[str, str] = os.environ) -> tuple[str | None, int]:
    """The Slurm job that this process belongs to, ``123`` or ``123_4``, and how often it was requeued.

    Args:
        variables: the environment.
    """
    job = variables.get("SLURM_JOB_ID") or None
    array, task = variables.get("SLURM_ARRAY_JOB_ID"), variables.get("SLURM_ARRAY_TASK_ID")
    restarts = variables.get("SLURM_RESTART_COUNT", "")
    return f"{array}_{task}" if job and array and task else job, int(restarts) if restarts.isdecimal() else 0


def is_over(job: str, restarts: int) -> bool | None:
    """Whether a job has ended, or waits to begin again, or has begun again since; ``None`` where nobody can tell.

    Args:
        job: Slurm's number of it.
        restarts: how often it had been requeued.
    """
    now = time.monotonic()
    asked, answer = _answers.get(job, (-SECONDS, None))
    if now - asked >= SECONDS:
        answer = _ask(job)
        _answers[job] = now, answer
    if answer is None or isinstance(answer, bool):
        return answer
    state, count = answer
    return state in _WITHOUT_PROCESSES or count > restarts


def _ask(job: str) -> tuple[str, int] | bool | None:
    """A job's state and how often it was requeued; ``True``: it is in the queue no more; ``None``: no answer."""
    # a user's own choice of what squeue shows is not meant for this
    env = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")} | {"LC_ALL": "C"}
    try:
        argv = ["squeue", "--noheader", "--jobs", job, "--Format", "State,RestartCnt"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    if done.returncode:
        return True if _UNKNOWN_JOB in done.stderr else None
    if not done.stdout.strip():
        return True
    found = re.fullmatch(r"\s*([A-Z_]+)\s+(\d+)\s*", done.stdout)
    return (found[1], int(found[2])) if found else None
