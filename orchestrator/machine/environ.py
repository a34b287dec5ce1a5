"""The environment variables of a process that belongs to a toolkit's own Python."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping

from orchestrator.machine.secrets import without_secrets

# they would lead a toolkit's interpreter, or uv, out of its own environment, or a launcher into somebody else's job
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "UV_PROJECT_ENVIRONMENT", "RANK", "LOCAL_RANK",
           "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NNODES", "NODE_RANK",
           "NPROC_PER_NODE",
           # and these would change how it finds its modules and writes its log, or ask for a package that is not there
           "PYTHONSAFEPATH", "PYTHONIOENCODING", "PYTHONINSPECT", "HF_HUB_ENABLE_HF_TRANSFER")  # fmt: skip
# of Slurm, of what starts MPI programs and of torchrun: transformers, accelerate, DeepSpeed and Lightning take a
# process that has such for one of several, and wait for the others
LAUNCHERS = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SALLOC_", "PMI_", "PMI2_", "PMIX_", "OMPI_", "PET_")


def clean_environment(*others: str, needed: Container[str] = ()) -> dict[str, str]:
    """The user's environment without what points to another Python or job, and without the other names given.

    Nor does it hold secrets (`machine.secrets`), but for the variables that are ``needed``. Python writes UTF-8 there,
    whatever the terminal can show: so are logs read.
    """
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN and name not in others}
    return without_secrets(without_launchers(kept), needed) | {"PYTHONUTF8": "1"}


def without_launchers(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without what launchers tell the processes that they start."""
    return {name: value for name, value in env.items() if not name.startswith(LAUNCHERS)}
