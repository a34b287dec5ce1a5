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
        # as CUDA reads it: what stands behind a negative id does not count; one that stands there twice is one GPU
        return list(dict.fromkeys(takewhile(lambda part: part and not part.startswith("-"), parts)))
    return [str(number) for number in range(len(list(Path("/proc/driver/nvidia/gpus").glob("*"))) or _listed_gpus())]


@cache
def _listed_gpus() -> int:
    """How many GPUs nvidia-smi lists: on WSL the kernel shows none."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def driver() -> str:
    """The version of the NVIDIA driver and the GPUs that it has, in words; empty where nvidia-smi tells nothing."""
    fields = "driver_version,index,name,memory.total"
    try:
        argv = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    rows = [[part.strip() for part in line.split(",")] for line in said.splitlines() if line.count(",") == 3]
    gpus = "; ".join(f"GPU {number}: {name}, {memory}" for _, number, name, memory in rows)
    return f"driver {rows[0][0]}; {gpus}" if rows else ""
