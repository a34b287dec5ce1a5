"""The GPUs of this machine."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from itertools import takewhile
from pathlib import Path


def visible_gpus() -> list[str]:
    """The ids of the NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        parts = [part.strip() for part in chosen.split(",")]
        # as CUDA reads it: what stands behind a negative id does not count
        return list(takewhile(lambda part: part and not part.startswith("-"), parts))
    return [str(number) for number in range(len(list(Path("/proc/driver/nvidia/gpus").glob("*"))) or _listed_gpus())]


@cache
def _listed_gpus() -> int:
    """How many GPUs nvidia-smi lists: on WSL the kernel shows none."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.splitlines())
