"""A lock for each GPU of this machine: two runs that see the same GPUs do not use one at once.

Only GPUs whose UUID is known are locked: an index may mean another GPU in another job of a cluster's scheduler.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

SECONDS = 30.0  # how long nvidia-smi is waited for


@cache
def _uuids() -> tuple[str, ...]:
    """The UUIDs of the GPUs, in the order of their indices; none where nvidia-smi tells nothing."""
    argv = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        said = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in said.splitlines() if line.startswith("GPU-"))


def _uuid_of(name: str) -> str | None:
    """The UUID of a GPU, or of a part of one (MIG), as CUDA_VISIBLE_DEVICES names it."""
    if name.startswith("MIG-"):
        return name
    if name.isdecimal():
        return _uuids()[int(name)] if int(name) < len(_uuids()) else None
    return next((uuid for uuid in _uuids() if uuid.startswith(name)), None)  # the first letters are enough for CUDA


class GpuLocks:
    """The locks of this process on GPUs, by their names."""

    def __init__(self, folder: Path | None = None):
        """``folder``: where the locks lie; of all runs of a user on a machine the same."""
        self._folder = folder or Path(tempfile.gettempdir()) / f"mmla-gpus-{os.getuid()}"
        self._held: dict[str, int] = {}

    def claim(self, names: Sequence[str]) -> bool:
        """Lock GPUs for this process; false, and none are locked, where another process has one of them."""
        for number, name in enumerate(names):
            if not self._lock(name):
                self.give_back(names[:number])
                return False
        return True

    def give_back(self, names: Collection[str]) -> None:
        """Unlock GPUs."""
        for name in names:
            if name in self._held:
                descriptor = self._held.pop(name)
                with contextlib.suppress(OSError):
                    # a process that another thread starts at this moment has it open, too, until its program begins
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)

    def elsewhere(self, names: Collection[str]) -> Mapping[str, str]:
        """Those of some GPUs that other processes have, each with the number of the process."""
        return {name: pid for name in names if name not in self._held and (pid := self._owner(name))}

    def _lock(self, name: str) -> bool:
        if (uuid := _uuid_of(name)) is None:
            return True
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._folder / uuid.replace("/", "_"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError:
            return True  # nobody can lock anything there
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            return not isinstance(error, BlockingIOError)
        with contextlib.suppress(OSError):  # a full disk
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        self._held[name] = descriptor
        return True

    def _owner(self, name: str) -> str:
        uuid = _uuid_of(name)
        if uuid is None:
            return ""
        try:
            with (self._folder / uuid.replace("/", "_")).open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return file.read().decode("utf-8", "replace").strip() or "unknown"
        except OSError:
            pass
        return ""
