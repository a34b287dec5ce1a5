"""What a user sees while stages run where nobody looks at a terminal: quiet plain lines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from orchestrator.cli.clock import about, clock
from orchestrator.cli.frame import waiting_texts
from orchestrator.cli.results import result_line, results_table
from orchestrator.cli.table import tell
from orchestrator.cli.tally import Running, Tally, amount, name_of, unit
from orchestrator.cli.whole import Whole
from orchestrator.errors import OrchestratorError
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, Outputs, SelectOutputs, TrainOutputs
from orchestrator.plan.plan import Plan, Stage
from orchestrator.run.listener import Listener, Places
from orchestrator.scores.results import ResultsRow
from orchestrator.toolkits.base import Progress

PLAIN_SECONDS = 30.0
IDLE_SECONDS = 3.0  # after which it is said what is waited for, where nothing runs
MOST_WEIGHTS = 16  # folders that are named
MOST_NAMED = 3  # running stages that are named in a plain line


class View(Listener):
    """Plain lines: one when a stage ends, and while stages run one of all of them every half minute."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.whole = Whole(self.tally)
        self.spoken = time.monotonic()
        self.idle: float | None = None  # since when nothing runs
        self.said: Sequence[tuple[Stage, str]] = ()  # what waited when that was said last

    def line(self, text: str) -> None:
        """Say one line."""
        with contextlib.suppress(OSError):  # the disk that it goes to may be full: the work goes on
            tell(text, flush=True)

    def start(self, plans: Sequence[Plan]) -> None:
        """A run of these plans begins."""
        self.tally = Tally(plans, time.monotonic())
        self.whole = Whole(self.tally)
        if done := self.tally.before:
            self.line(f"{done} of {self.tally.total} stages are done already")

    def skipped(self, count: int = 1) -> None:
        """So many stages were done by an earlier run, or by another process."""
        self.tally.skipped += count

    def begin(self, stage: Stage, place: str) -> None:
        """A stage begins."""
        if not self.tally.running:
            self.spoken = time.monotonic()
        self.tally.begin(stage, place, time.monotonic())

    def remark(self, stage: Stage, text: str) -> None:
        """Something that a user should know of a running stage."""
        self.line(f"{self._head(stage)} {text}")

    def progress(self, stage: Stage, progress: Progress) -> None:
        """A running stage is this far."""
        if running := self.tally.running.get(stage.folder):
            running.see(progress, time.monotonic())
        self.tick()

    def waits(self, waiting: Sequence[tuple[Stage, str]]) -> None:
        """What could begin now but waits, each with for what."""
        self.tally.waiting = tuple(waiting)

    def tick(self) -> None:
        """Time passes."""
        now = time.monotonic()
        if self.tally.running:
            self.idle = None
        elif self.idle is None:
            self.idle = now
        # else nothing would say why nothing happens
        why = self.idle is not None and now - self.idle >= IDLE_SECONDS and self.tally.waiting != self.said
        if why or now - self.spoken >= PLAIN_SECONDS:
            self._speak()

    def _speak(self) -> None:
        """Say how far all is."""
        self.spoken = now = time.monotonic()
        self.said = self.tally.waiting
        running = list(self.tally.running.values())
        if len(running) == 1 and not self.tally.waiting:
            self.line(f"{self._head(running[0].stage)} {_how_far(running[0], now)}")
        elif running or self.tally.waiting:
            self.line(f"{self._count(self.tally.ended)} {'; '.join(self._all(running, now))}")

    def _all(self, running: Sequence[Running], now: float) -> list[str]:
        """All that runs and waits, in parts of a sentence."""
        for one in running:
            one.left = one.pace.left(now)
        parts = [f"{len(running)} run"] if len(running) > MOST_NAMED else []
        if parts:
            slowest = max(running, key=lambda one: (one.left or 0.0, now - one.begun))
            parts.append(f"the longest: {_short(slowest, now)}")
        else:
            parts += [_short(one, now) for one in running]
        parts += waiting_texts(self.tally.waiting, 1 if len(running) > MOST_NAMED else 2)
        if self.tally.failed:
            parts.append(f"{self.tally.failed} failed")
        if (left := self.whole.left(now)) is not None:
            parts.append(f"{about(left)} left of all")
        return parts

    def end(self, stage: Stage, seconds: float, outputs: Outputs) -> None:
        """A stage is done."""
        self.tally.end(stage, time.monotonic(), well=True)
        self.line(f"{self._head(stage)} done in {clock(seconds)}{_summary(outputs)}")

    def failed(self, stage: Stage, error: OrchestratorError) -> None:
        """A stage failed."""
        self.tally.end(stage, time.monotonic(), well=False)
        self.line(f"{self._head(stage)} FAILED: {error}")

    def stopped(self, stage: Stage) -> None:
        """The user stopped the run in this stage."""
        self.line(f"{self._head(stage)} stopped; the same command goes on from here")

    def close(self) -> None:
        """No stage runs any more: take away what told of it."""

    def scored(self, rows: Sequence[ResultsRow]) -> None:
        """The results of a job's tasks stand in their file."""
        for row in rows:
            of = f"{row['recipe']} " if len(self.tally.plans) > 1 else ""
            self.line(f"{'':{len(self._count(0))}} {of}{result_line(row)}")

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
        return f"{self._count(self.tally.number(stage))} {name_of(stage)}:"

    def _count(self, number: int) -> str:
        total = self.tally.total
        return f"[{number:>{len(str(total))}}/{total}]"


def _how_far(running: Running, now: float) -> str:
    """The line of the only stage that runs: done of total, loss, speed, remaining time."""
    kind, left, rate = running.stage.kind, running.pace.left(now), running.pace.rate()
    if running.progress is None:
        return f"at work for {clock(now - running.begun)}"
    text = amount(running.progress, kind)
    if left is None or rate is None:
        return f"{text}, at work for {clock(now - running.begun)}"
    return f"{text}, {rate:.3g} {unit(kind)}s/s, {clock(left)} left"


def _short(running: Running, now: float) -> str:
    """A running stage in few words."""
    known = amount(running.progress, running.stage.kind) if running.progress else ""
    left = f"{about(running.left)} left" if running.left is not None else f"for {clock(now - running.begun)}"
    return ", ".join(filter(None, [name_of(running.stage), known, left]))


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
