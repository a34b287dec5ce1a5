"""Results are written while a run goes on: at once where that is quick, seldom where it takes long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.plan.plan import Job, Plan
from orchestrator.run.listener import Listener
from orchestrator.run.report import report_jobs, results_name

SHARE = 0.1  # of the time that may go into it: a sweep's files hold hundreds of runs


class Reporter:
    """Writes the results of jobs that are scored."""

    def __init__(self, shown: Sequence[Plan], results_dir: Path, listener: Listener):
        """``shown``: the plans whose results stand in the files."""
        self._shown, self._results_dir, self._listener = shown, results_dir, listener
        self._due: list[tuple[Plan, Job]] = []
        self._next = 0.0
        self._said = ""

    def scored(self, plan: Plan, job: Job) -> None:
        """The answers of a job are scored."""
        self._due.append((plan, job))
        self.tick()

    def tick(self) -> None:
        """Write what is due, if it is time."""
        begun = time.monotonic()
        if self._due and begun >= self._next:
            due, self._due = self._due, []
            for name in dict.fromkeys(results_name(plan) for plan, _ in due):
                some = [one for one in due if results_name(one[0]) == name]
                if busy := report_jobs(some, self._shown, self._results_dir, self._listener):
                    self._due += some
                    if busy != self._said:
                        self._listener.line(f"note: {busy}")
                    self._said = busy
            now = time.monotonic()
            self._next = now + (now - begun) / SHARE
