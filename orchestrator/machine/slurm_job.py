"""Whether this process runs as a Slurm job that was submitted by us."""

from __future__ import annotations

import os

JOB_VARIABLE = "MMLA_SLURM_JOB"  # set in a job of ours: Slurm's number of it, 123_4


def in_slurm_job() -> bool:
    """Whether it does. A shell in an allocation that somebody else made is no job of ours."""
    return bool(os.environ.get(JOB_VARIABLE))
