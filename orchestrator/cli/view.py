"""What a user sees while stages run: a live line on a terminal, quiet plain lines anywhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.results import result_line, results_table, results_text
from orchestrator.errors import OrchestratorError
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, Outputs, SelectOutputs, TrainOutputs
from orchestrator.plan.plan import Plan, Stage
from orchestrator.run.listener import Listener, Places
from orchestrator.scores.results import ResultsRow
from orchestrator.toolkits.base import Progress

if TYPE_CHECKING:
    from rich.status import Status

PLAIN_SECONDS = 30.0
MOST_WEIGHTS = 16  # folders that are named


def clock(seconds: float) -> str:
    """A duration as people write it: 4.2 s, 3:07, 1:02:33."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def amount(progress: Progress, kind: str) -> str:
    """How much of a stage is done: step 30/90, loss 0.5."""
    loss = "" if progress.loss is None else f", loss {progress.loss:.4g}"
    return f"{_unit(kind)} {progress.done}/{progress.total}{loss}"


def _unit(kind: str) -> str:
    return "step" if kind == "train" else "sample"


class Rate:
    """Speed and remaining time, from the first progress that was seen: right after a resume as well."""

    def __init__(self) -> None:
        self.first: tuple[float, int] | None = None

    def text(self, progress: Progress, kind: str) -> str:
        """One line: done of total, loss, speed, remaining time."""
        now = time.monotonic()
        if self.first is None or progress.done < self.first[1]:
            self.first = (now, progress.done)
        seconds, done = now - self.first[0], progress.done - self.first[1]
        if done <= 0 or seconds <= 0:
            return amount(progress, kind)
        speed = done / seconds
        left = clock((progress.total - progress.done) / speed)
        return f"{amount(progress, kind)}, {speed:.3g} {_unit(kind)}s/s, {left} left"


class View(Listener):
    """Plain lines: one when a stage ends, and while a long one runs one every half minute."""

    def __init__(self) -> None:
        self.total = self.number = 0
        self.stage: Stage | None = None
        self.rate = Rate()
        self.spoken = 0.0

    def line(self, text: str) -> None:
        """Say one line."""
        with contextlib.suppress(OSError):  # the disk that it goes to may be full: the work goes on
            print(text, flush=True)

    def start(self, plans: Sequence[Plan]) -> None:
        """A run of these plans begins."""
        jobs = [job for plan in plans for job in plan.jobs]
        self.total, self.number = sum(len(job.stages) for job in jobs), 0
        if done := self.total - sum(len(job.todo()) for job in jobs):
            self.line(f"{done} of {self.total} stages are done already")

    def skipped(self, count: int = 1) -> None:
        """A stage was done by an earlier run."""
        self.number += count

    def begin(self, stage: Stage, place: str) -> None:
        """A stage begins."""
        self.number += 1
        self.stage, self.rate, self.spoken = stage, Rate(), time.monotonic()

    def waits(self, waiting: Sequence[tuple[Stage, str]]) -> None:
        """What waits."""

    def tick(self) -> None:
        """Some time has passed."""

    def remark(self, stage: Stage, text: str) -> None:
        """Something that a user should know of the running stage."""
        self.line(f"{self._head(stage)} {text}")

    def progress(self, stage: Stage, progress: Progress) -> None:
        """A running stage is this far."""
        self.progress_line(f"{self._head(stage)} {self.rate.text(progress, stage.kind)}")

    def progress_line(self, text: str) -> None:
        """Say how far the running stage is, which is old news soon."""
        if time.monotonic() - self.spoken >= PLAIN_SECONDS:
            self.spoken = time.monotonic()
            self.line(text)

    def end(self, stage: Stage, seconds: float, outputs: Outputs) -> None:
        """A stage is done."""
        self.close()
        self.line(f"{self._head(stage)} done in {clock(seconds)}{_summary(outputs)}")

    def failed(self, stage: Stage, error: OrchestratorError) -> None:
        """A stage failed."""
        self.close()
        self.line(f"{self._head(stage)} FAILED: {error}")

    def stopped(self, stage: Stage) -> None:
        """The user stopped the run in this stage."""
        self.close()
        self.line(f"{self._head(stage)} stopped; the same command goes on from here")

    def close(self) -> None:
        """No stage runs any more: take away what told of it."""

    def scored(self, rows: Sequence[ResultsRow]) -> None:
        """The results of a job's tasks stand in their file."""
        for row in rows:
            self.line(f"{'':{len(self._count())}} {result_line(row)}")

    def results(self, rows: Sequence[ResultsRow], places: Places) -> None:
        """All results stand in their file."""
        View.line(self, results_table(rows))
        self.places(places)

    def places(self, places: Places) -> None:
        """Say where everything is."""
        more = len(places.weights) - MOST_WEIGHTS
        lines = [("results", places.results), ("answers", places.answers), *places.weights[:MOST_WEIGHTS]]
        for what, path in lines:
            self.line(f"{what}: {path}")
        if more > 0:
            self.line(f"and {more} more like these: each select-*/stage.json of a run names its own")

    def _head(self, stage: Stage) -> str:
        return f"{self._count()} {stage.folder.parent.parent.name} {stage.name}:"

    def _count(self) -> str:
        return f"[{self.number:>{len(str(self.total))}}/{self.total}]"


class LiveView(View):
    """On a terminal: the same lines, and under them one that moves."""

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__()
        self.console = Console(highlight=False, markup=False, emoji=False)
        self.status: Status | None = None

    def line(self, text: str) -> None:
        """Say one line, above the moving one."""
        style = "red" if "FAILED:" in text else "green" if " done in " in text else None
        # long lines are the terminal's to break: paths stay whole for who copies them
        self.console.print(text, style=style, soft_wrap=True)

    def begin(self, stage: Stage, place: str) -> None:
        """A stage begins."""
        super().begin(stage, place)
        self.status = self.console.status("", spinner="dots" if self.console.encoding.startswith("utf") else "line")
        self.progress_line(f"{self._head(stage)} starting")
        self.status.start()

    def progress_line(self, text: str) -> None:
        """Say how far the running stage is, in the moving line."""
        from rich.text import Text

        if self.status:
            self.status.update(Text(text))

    def close(self) -> None:
        """Take the moving line away."""
        if self.status:
            self.status.stop()
            self.status = None

    def results(self, rows: Sequence[ResultsRow], places: Places) -> None:
        """All results stand in their file."""
        # what is wider than the terminal is the terminal's to break, never ours to crop
        self.console.print(results_text(rows, self.console.width), soft_wrap=True)
        self.places(places)


def _summary(outputs: Outputs) -> str:
    match outputs:
        case ConvertOutputs(rows=rows):
            return ", " + ", ".join(f"{count:,} {split}" for split, count in rows.items())
        case TrainOutputs(steps=steps):
            return f", {steps:,} steps"
        case SelectOutputs(accuracy_percent=scores, step=step, measure=measure):
            reached = f", {scores[step]:.2f} % {measure}" if scores else ""
            return f", {outputs.checkpoint} ({outputs.strategy}{reached})"
        case InferOutputs(requests=requests, errors=errors):
            failed = f", {errors} of them errors; to ask these again: run --retry-errors" if errors else ""
            return f", {requests:,} answers{failed}"
    return ""


def make_view() -> View:
    """The view for where the output goes."""
    return LiveView() if sys.stdout.isatty() else View()
