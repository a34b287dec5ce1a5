"""Processes that decode clips side by side, none of them longer than its time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Any

from orchestrator.machine.checkout import ROOT

SECONDS, SECONDS_PER_MB = 60.0, 10.0  # that a clip is given: many times what a slow core takes
BACKSTOP_SECONDS = 10.0  # after which a process that even the kernel does not end is left alone


def seconds_for(size: int) -> float:
    """How long a clip of so many bytes may take."""
    return SECONDS + SECONDS_PER_MB * size / 1e6


class Pool:
    """Answers what `worker.py` is asked, in a number of processes; to be used in a ``with``."""

    def __init__(self, workers: int):
        self._workers = max(1, workers)
        self._free: list[_Process] = []
        self._all: list[_Process] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed = True
        with self._lock:
            for process in self._all:
                process.end()

    def answers(self, asked: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each question with its answer, as they come: as `worker.answer`, or ``late`` or ``crash`` in its place.

        Raises:
            OSError: memory, or what else a process may have of the machine, ran out; MemoryError likewise.
        """
        threads = ThreadPoolExecutor(max_workers=self._workers)
        try:
            coming = {threads.submit(self._ask, one): one for one in asked}
            for future in as_completed(coming):
                found = future.result()
                if lacks := found.get("lacks"):
                    raise MemoryError(found["said"]) if lacks == "memory" else OSError(found["errno"], found["said"])
                yield coming[future], found
        finally:
            self.__exit__(None, None, None)  # those that are waited for answer at once then
            threads.shutdown(cancel_futures=True)

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            process = self._free.pop() if self._free else None
        if process is None:
            process = _Process()
            with self._lock:
                self._all.append(process)
        found = {} if self._closed else process.ask(asked)
        with self._lock:
            if process.lives:
                self._free.append(process)
            else:
                self._all.remove(process)
        return found


class _Process:
    """One process of `worker.py`."""

    def __init__(self) -> None:
        # a session of its own: Ctrl-C is for the command, which ends this
        self._process = subprocess.Popen(
            # not from the working directory: a json.py of the user's is not what is meant
            [sys.executable, "-P", "-m", "orchestrator.data.clips.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))},
        )
        self.lives = True

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question, or what became of the process."""
        assert self._process.stdin
        assert self._process.stdout
        seconds = float(asked["seconds"])
        try:
            self._process.stdin.write(json.dumps(asked).encode("ascii") + b"\n")
            self._process.stdin.flush()
            ready = select.select([self._process.stdout], [], [], seconds + BACKSTOP_SECONDS)[0]
            line = self._process.stdout.readline() if ready else b""
        except (OSError, ValueError):
            line = b""
        if line.endswith(b"\n"):
            found: dict[str, Any] = json.loads(line)
            return found
        self.end()
        code = self._process.returncode
        if code is None or code == -signal.SIGALRM:
            return {"late": seconds}
        return {"crash": signal.Signals(-code).name if code < 0 else f"exit status {code}"}

    def end(self) -> None:
        """End it, and wait for its end for a moment."""
        self.lives = False
        with contextlib.suppress(OSError):
            if self._process.poll() is None:
                self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(BACKSTOP_SECONDS)


def in_parallel(
    asked: list[dict[str, Any]], workers: int, take: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    """Have questions answered by so many processes; ``take`` gets each with its answer, in this thread."""
    if asked:
        with Pool(min(workers, len(asked))) as pool:
            for one, found in pool.answers(asked):
                take(one, found)
