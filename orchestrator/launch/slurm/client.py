"""Slurm's own commands, each with a time limit and its errors in words. States come from squeue alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Queued:
    """A job that Slurm has not done with.

    Attributes:
        state: PENDING, RUNNING, COMPLETING, ...
        reason: why it waits, in Slurm's word; empty where it says none.
        start: when it began or is expected to, in the cluster's time; empty where that is not known.
        node: where it runs; empty while it waits.
    """

    state: str
    reason: str = ""
    start: str = ""
    node: str = ""


def submit(script: Path) -> str:
    """Hand in a script; returns Slurm's number of the job or array.

    Raises:
        InputError: Slurm refuses it, does not answer, or is not here.
    """
    raise NotImplementedError


def queued(ids: Iterable[str]) -> dict[str, Queued]:
    """Which of some jobs (``123_4``) wait or run; who is not among them has ended.

    Raises:
        InputError: Slurm does not answer, or is not here.
    """
    raise NotImplementedError


def cancel(ids: Iterable[str]) -> None:
    """End jobs, those that wait and those that run; of those that have ended nothing is said.

    Raises:
        InputError: Slurm refuses, does not answer, or is not here.
    """
    raise NotImplementedError


def requeue(job: str) -> None:
    """Have a job that runs wait and begin again.

    Raises:
        InputError: Slurm refuses, does not answer, or is not here.
    """
    raise NotImplementedError


def most_of_array() -> int:
    """How many jobs an array may hold; 0: the site has no arrays.

    Raises:
        InputError: Slurm does not answer, or is not here.
    """
    raise NotImplementedError
