"""What a run takes of the machine while it goes on: memory of its processes and of the GPUs, and how idle these are."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil

EVERY = 0.25  # seconds between two looks
GB = 2**30
GPU_FIELDS = "uuid,utilization.gpu,memory.used"


@dataclass(frozen=True)
class Look:
    """One GPU at one moment: seconds since the epoch, percent of the time in which it computed, MiB in use."""

    at: float
    gpu: str
    busy: float
    used: float


@dataclass
class Seen:
    """What was seen of one run.

    Attributes:
        resident: by process the most memory that it held, in bytes; only processes of at least 100 MB.
        together: the most that all of them held at once, in bytes.
        before: by GPU the MiB in use before the run.
        looks: at the GPUs.
        on_gpu: by process the most GPU memory in MiB, where nvidia-smi tells.
    """

    resident: dict[int, int] = field(default_factory=dict)
    together: int = 0
    before: dict[str, float] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    on_gpu: dict[int, float] = field(default_factory=dict)

    def used(self) -> dict[str, float]:
        """By GPU the most MiB that came on top of what was in use before; GPUs that were not used are left out."""
        most: dict[str, float] = defaultdict(float)
        for look in self.looks:
            most[look.gpu] = max(most[look.gpu], look.used - self.before.get(look.gpu, 0))
        return {
            gpu: amount for gpu, amount in most.items() if amount >= 64
        }  # less is another program's coming and going

    def idle(self, begin: float, end: float) -> float | None:
        """Percent of a time in which the GPUs that were used did not compute; ``None`` where nobody looked."""
        used = self.used()
        busy = [look.busy for look in self.looks if look.gpu in used and begin <= look.at <= end]
        return 100 - sum(busy) / len(busy) if busy else None

    def memory(self) -> str:
        """The peaks in words."""
        parts = [f"GPU {amount / 1024:.1f} GB" for amount in self.used().values()]
        if self.on_gpu:
            parts.append(f"a process on a GPU up to {max(self.on_gpu.values()) / 1024:.1f} GB")
        if self.resident:
            one, all_ = max(self.resident.values()) / GB, self.together / GB
            parts.append(f"main memory of a process {one:.1f} GB, of all {all_:.1f} GB")
        return ", ".join(parts) or "not measured"


def nvidia_smi(*arguments: str) -> list[list[str]]:
    """The rows that nvidia-smi prints; none where there is none."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        argv = ["nvidia-smi", *arguments, "--format=csv,noheader,nounits"]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout
        return [[part.strip() for part in line.split(",")] for line in said.splitlines() if line.strip()]
    return []


def looks(rows: list[list[str]], at: float) -> list[Look]:
    """The rows of nvidia-smi; a GPU that does not tell (``[N/A]``) is left out."""
    found = []
    for row in rows:
        with contextlib.suppress(ValueError):
            gpu, busy, used = row
            found.append(Look(at, gpu, float(busy), float(used)))
    return found


@contextlib.contextmanager
def watching(process: psutil.Process | None = None) -> Iterator[Seen]:
    """Look at the processes below this one (or another), and at the GPUs, until the block ends."""
    seen, over = Seen(), threading.Event()
    root = process or psutil.Process()
    rows = nvidia_smi(f"--query-gpu={GPU_FIELDS}")
    seen.before = {look.gpu: look.used for look in looks(rows, 0)}
    threads = [threading.Thread(target=_watch_processes, args=(root, seen, over), daemon=True)]
    if rows:
        threads.append(threading.Thread(target=_watch_gpus, args=(seen, over), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def _watch_processes(root: psutil.Process, seen: Seen, over: threading.Event) -> None:
    while not over.wait(EVERY):
        together = 0
        for child in root.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                size = child.memory_info().rss
                together += size
                if size > 100e6:
                    seen.resident[child.pid] = max(size, seen.resident.get(child.pid, 0))
        seen.together = max(seen.together, together)


def _watch_gpus(seen: Seen, over: threading.Event) -> None:
    while not over.wait(EVERY):
        seen.looks += looks(nvidia_smi(f"--query-gpu={GPU_FIELDS}"), time.time())
        for row in nvidia_smi("--query-compute-apps=pid,used_memory"):
            with contextlib.suppress(ValueError, IndexError):
                pid, used = int(row[0]), float(row[1])
                seen.on_gpu[pid] = max(used, seen.on_gpu.get(pid, 0))
