"""Why a job waits, in words."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section
from orchestrator.launch.slurm.client import Queued

FILE = Path(__file__).with_name("reasons.yaml")


class Reason(Section):
    """What one of Slurm's words means."""

    reason: str = Field(min_length=1, description="how the word begins")
    means: str = Field(min_length=1, description="the same for people")


def why(job: Queued, number: str, gpus: int) -> str:
    """Why a job waits, in words and in Slurm's word; empty where it does not wait or nobody says why.

    Args:
        job: the job.
        number: Slurm's number of it.
        gpus: that it asks for.
    """
    if job.state != "PENDING" or not job.reason:
        return ""
    what = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else "a free node"
    start = f" at {job.start.replace('T', ' ')}" if job.start else ""
    means = next((one.means for one in _reasons() if job.reason.startswith(one.reason)), "waits")
    return f"{means.format(what=what, start=start, id=number)} ({job.reason})"


@cache
def _reasons() -> tuple[Reason, ...]:
    return load(FILE, tuple[Reason, ...], "a file of Slurm's reasons")
