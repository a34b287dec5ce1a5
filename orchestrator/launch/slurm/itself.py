"""What a Slurm job asks of the job that it runs in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from orchestrator.errors import OrchestratorError
from orchestrator.launch.slurm import client

T = TypeVar("T")
TRIES, PAUSE_SECONDS = 3, 5.0


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
    _patient(client.requeue, number())


def _shown(name: str) -> str:
    return _patient(client.shown, number()).get(name, "")


def _patient(ask: Callable[[str], T], job: str) -> T:
    """Ask again where Slurm fails: its controller may be busy, or is just being started again."""
    for _ in range(TRIES - 1):
        try:
            return ask(job)
        except OrchestratorError:
            time.sleep(PAUSE_SECONDS)
    return ask(job)
