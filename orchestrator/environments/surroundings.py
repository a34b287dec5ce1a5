"""What toolkits need of a machine beside their packages: room, memory, limits of processes, the hub, a compiler."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from orchestrator.machine.checkout import THIRD_PARTY
from orchestrator.machine.hub import USUAL, endpoint

GB = 1e9
HUB_SECONDS, COMPILER_SECONDS = 5.0, 10.0
CGROUP = Path("/sys/fs/cgroup/memory.max")
# less than this is told: the largest environment takes 7 GB, a 7B model 15 GB
DISK_GB, MEMORY_GB, SHARED_GB, FILES, PROCESSES = 25, 16, 1, 4096, 4096


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: what it is.
        found: how it is here.
        note: what goes wrong with that, and what to do; empty where it is well.
    """

    name: str
    found: str
    note: str = ""


def surroundings(folder: Path = THIRD_PARTY) -> Iterator[Finding]:
    """How this machine is.

    Args:
        folder: where environments are built.
    """
    yield from (_disk(folder), _memory(), _shared_memory(), *_limits(), _hub(), _compiler())


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / GB
    note = "an environment takes 3 to 7 GB, weights of 7B 15 GB, the benchmark's videos 50 GB" if free < DISK_GB else ""
    return Finding("disk", f"{free:.0f} GB free in {folder}", note)


def _memory() -> Finding:
    memory, limit = psutil.virtual_memory(), _cgroup_bytes()
    total = min(memory.total, limit or memory.total) / GB
    where = " (as much as this container may have)" if limit and limit < memory.total else ""
    note = "weights pass through it on their way to a GPU: 7B take 15 GB" if total < MEMORY_GB else ""
    return Finding("memory", f"{total:.0f} GB{where}, {memory.available / GB:.0f} GB free on the machine", note)


def _cgroup_bytes() -> int | None:
    try:
        text = CGROUP.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    try:
        free = shutil.disk_usage(folder).free / GB
    except OSError:
        return Finding(str(folder), "there is none", "several processes cannot hand each other data: mount it")
    hint = "several processes and data loaders end with `Bus error`: docker run --shm-size=16g, or --ipc=host"
    return Finding(str(folder), f"{free:.1f} GB free", hint if free < SHARED_GB else "")


def _limits() -> Iterator[Finding]:
    for name, number, least, option in (
        ("open files", resource.RLIMIT_NOFILE, FILES, "n"),
        ("processes", resource.RLIMIT_NPROC, PROCESSES, "u"),
    ):
        soft, hard = resource.getrlimit(number)
        endless = resource.RLIM_INFINITY
        few = soft != endless and soft < least
        more = f"ulimit -{option} {least}" if hard == endless or hard >= least else "ask whoever runs the machine"
        note = f"data loaders of several processes may need more: {more}" if few else ""
        yield Finding(name, f"{'any number' if soft == endless else soft} (ulimit -{option})", note)
    for name, number, option in (("file size", resource.RLIMIT_FSIZE, "f"), ("memory", resource.RLIMIT_AS, "v")):
        soft, _ = resource.getrlimit(number)
        if soft != resource.RLIM_INFINITY:
            note = f"checkpoints or models may need more: ulimit -{option} unlimited"
            yield Finding(f"{name} of a process", f"{soft / GB:.1f} GB at most (ulimit -{option})", note)


def _hub() -> Finding:
    mirror = endpoint() is not None
    parts = urlsplit(endpoint() or USUAL)
    host = parts.netloc.rpartition("@")[2] or "HF_ENDPOINT"  # before it may stand a password
    name = "mirror of the hub" if mirror else "hub"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Finding(name, "not asked: HF_HUB_OFFLINE is set")
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{parts.scheme}://{host}{parts.path}", method="HEAD"), timeout=HUB_SECONDS
        ):
            pass
    except urllib.error.HTTPError:  # it answers
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        hint = "only what is in the hub's cache, or a folder that model.path names, can be used"
        more = "see HF_ENDPOINT" if mirror else "a mirror is set with HF_ENDPOINT"
        return Finding(name, f"{host} cannot be reached ({type(reason).__name__})", f"{hint}; {more}")
    return Finding(name, f"{host} answers")


def _compiler() -> Finding:
    use = "DeepSpeed compiles where it trains on a CPU, or offloads to one"
    if not (path := shutil.which("g++")):
        return Finding("g++", "there is none", f"{use}: Debian has it as g++")
    try:
        said = subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True, timeout=COMPILER_SECONDS)
        version = said.stdout.strip() or "of unknown version"
    except (OSError, subprocess.TimeoutExpired):
        return Finding("g++", "does not start", use)
    headers = Path(sysconfig.get_path("include"), "Python.h").is_file()
    return Finding("g++", version, "" if headers else f"{use}: Python's headers are lacking, Debian: python3-dev")
