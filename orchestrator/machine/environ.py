"""The environment variables of a process that belongs to a toolkit's own Python."""

from __future__ import annotations

import os

# they would lead a toolkit's interpreter, or uv, out of its own environment, or a launcher into somebody else's job
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "UV_PROJECT_ENVIRONMENT", "RANK", "LOCAL_RANK",
           "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NNODES", "NODE_RANK",
           "NPROC_PER_NODE",
           # and these would change how it finds its modules and writes its log, or ask for a package that is not there
           "PYTHONSAFEPATH", "PYTHONIOENCODING", "PYTHONINSPECT", "HF_HUB_ENABLE_HF_TRANSFER")  # fmt: skip


def clean_environment(*others: str) -> dict[str, str]:
    """The user's environment without what points to another Python or job, and without the other names given.

    Python writes UTF-8 there, whatever the terminal can show: so are logs read.
    """
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN and name not in others}
    return kept | {"PYTHONUTF8": "1"}
