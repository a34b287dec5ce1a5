"""Noticing that a stage's processes have stopped to get anywhere. They are left alone: who waits decides."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.machine import processes
from orchestrator.machine.logs import LOG, last_lines
from orchestrator.toolkits.base import Progress

LOADING = 3  # times as long may pass before the first step or answer: weights are read, kernels are compiled
SHOWN_LINES, SHOWN_CHARACTERS, SHOWN_PROCESSES = 3, 160, 4


class Stall:
    """Warns when neither the log nor the steps or answers of a stage have moved for long."""

    def __init__(
        self, folder: Path, minutes: float, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            folder: where the processes run, and their log is.
            minutes: without any progress after which a warning is due, and again after each further such period;
                0: never. Before the first step or answer, `LOADING` times as many.
            done: steps or answers of earlier attempts.
            clock: tells the seconds.
        """
        self.folder, self.seconds, self.before, self.clock = folder, minutes * 60, done, clock
        self.loading = True
        self._seen = self._look(done)
        self._since, self._told = clock(), 0

    def warning(self, progress: Progress | None) -> str:
        """What is to be said now; empty most times. To be asked every second or so, with how far the stage is."""
        done = progress.done if progress else self.before
        if done not in (0, self.before):
            self.loading = False
        if (seen := self._look(done)) != self._seen:
            self._seen, self._since, self._told = seen, self.clock(), 0
        period = self.seconds * (LOADING if self.loading else 1)
        still = self.clock() - self._since
        if not period or still < period * (self._told + 1):
            return ""
        self._told = int(still // period)
        return self._text(still)

    def _look(self, done: int) -> tuple[int, int, int]:
        """All that moves while a stage gets on: the log's size and time, and how much is done."""
        try:
            status = (self.folder / LOG).stat()
        except OSError:
            return 0, 0, done
        return status.st_size, status.st_mtime_ns, done

    def _text(self, still: float) -> str:
        log = self.folder / LOG
        lines = [line[:SHOWN_CHARACTERS] for line in last_lines(log, SHOWN_LINES).splitlines()]
        said = ["; the end of its log:", *(f"    | {line}" for line in lines)] if lines else [", and its log is empty"]
        running = processes.marked(processes.STAGE_MARK, str(self.folder.resolve()))
        numbers = [str(process.pid) for process in running][:SHOWN_PROCESSES]
        look = f"`uvx py-spy dump --pid {numbers[0]}` shows what it does" if numbers else "it has no process any more"
        more = f" (also {', '.join(numbers[1:])})" if numbers[1:] else ""
        return "\n".join(
            [
                f"has shown no progress for {_length(still)} (resources.stall_minutes){said[0]}",
                *said[1:],
                f"    whole log: {log}",
                f"    it is left alone; {look}{more}. If it hangs: Ctrl-C, and the same command goes on from its last "
                "checkpoint or answer",
            ]
        )


def _length(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
