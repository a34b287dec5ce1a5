"""Processes that take leases on command, as on file systems with and without locks.

Run as a program it answers a line of JSON to each command on its standard input.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.machine import leases
from orchestrator.machine.leases import Lease, owner_of, take

# what flock does where the file system has locks, has none, or asks no other machine
FLOCKS = ("kernel", "ENOLCK", "ENOSYS", "EOPNOTSUPP", "granted")


def preloaded(flock: str, folder: Path) -> dict[str, str]:
    """The environment under which flock behaves so."""
    if flock == "kernel":
        return dict(os.environ)
    source, library = folder / f"{flock}.c", folder / f"{flock}.so"
    body = "return 0;" if flock == "granted" else f"errno = {getattr(errno, flock)}; return -1;"
    source.write_text(f"#include <errno.h>\nint flock(int file, int how) {{ (void)file; (void)how; {body} }}\n")
    compiler = shutil.which("cc") or ""
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return dict(os.environ) | {"LD_PRELOAD": str(library)}


class Taker:
    """Another process, on a host of that name; this machine's where it is empty."""

    def __init__(self, env: dict[str, str], host: str = ""):
        command = [sys.executable, "-m", "tests.machine.takers", host]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, bufsize=1
        )

    def begin(self, *command: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps([str(word) for word in command]) + "\n")

    def answer(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def ask(self, *command: object) -> Any:
        self.begin(*command)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def takers(env: dict[str, str], hosts: Sequence[str]) -> Iterator[list[Taker]]:
    """So many processes, each on the host of that name."""
    started: list[Taker] = []
    try:
        started += [Taker(env, host) for host in hosts]
        yield started
    finally:
        for taker in started:
            taker.kill()


def hammer(folder: Path, times: int) -> int:
    """Take a folder so often, and see each time that nobody else works in it; returns how often others had it."""
    inside, refused = folder / "inside", 0
    while times:
        found = take(folder)
        if not isinstance(found, Lease):
            refused += 1
            continue
        assert not found.unclean
        inside.touch(exist_ok=False)
        inside.unlink()
        found.release()
        times -= 1
    return refused


def _be_on(host: str) -> None:
    if host:
        socket.gethostname = lambda: host


def main() -> None:
    """Answer commands."""
    _be_on(sys.argv[1])
    leases.BEAT_SECONDS = 0.0
    held: list[Lease] = []
    for line in sys.stdin:
        command, *words = json.loads(line)
        answer: Any = None
        if command == "host":
            _be_on(words[0])
        elif command == "take":
            found = take(Path(words[0]))
            answer = ["lease", found.unclean] if isinstance(found, Lease) else ["owner", str(found)]
            held += [found] if isinstance(found, Lease) else []
        elif command == "owner":
            owner = owner_of(Path(words[0]))
            answer = owner and str(owner)
        elif command == "hammer":
            answer = hammer(Path(words[0]), int(words[1]))
        elif command == "beat":
            answer = held[-1].beat()
        elif command == "release":
            held.pop().release()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
