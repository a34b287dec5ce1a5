"""The script of one sbatch call. Pure: of the same batch it is always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.recipe.slurm import Slurm

JOB_VARIABLE = "MMLA_SLURM_JOB"  # set in a job of ours: Slurm's number of it, 123_4


@dataclass(frozen=True)
class Batch:
    """What one call of sbatch submits: jobs of a recipe that ask for the same.

    Attributes:
        recipe: the recipe's name.
        jobs: names of the jobs, in the order of the array.
        gpus: GPUs of each node.
        nodes: nodes of each job.
        grace: seconds that a job has to end, as its recipe says.
        settings: what the site and the recipe ask for.
        folder: of the run's files for Slurm.
        cwd: where the jobs run.
        argv: a job's command, up to the job's name.
        array: whether the site has job arrays; without, ``jobs`` is one.
    """

    recipe: str
    jobs: tuple[str, ...]
    gpus: int
    nodes: int
    grace: float
    settings: Slurm
    folder: Path
    cwd: Path
    argv: Sequence[str]
    array: bool = True


def script_of(batch: Batch) -> str:
    """The text of the script.

    Raises:
        InputError: the site's template cannot be read or is wrong, or something cannot stand in a script.
    """
    raise NotImplementedError
