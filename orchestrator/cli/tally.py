"""What a run has done, does now and has left to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli.pace import Pace
from orchestrator.plan.plan import Plan, Stage
from orchestrator.toolkits.base import Progress

UNITS = {"train": "step"}  # what a kind of stage counts; the others count samples


def unit(kind: str) -> str:
    """What a kind of stage counts: step or sample."""
    return UNITS.get(kind, "sample")


def amount(progress: Progress, kind: str) -> str:
    """How much of a stage is done: step 30/90, loss 0.5."""
    loss = "" if progress.loss is None else f", loss {progress.loss:.4g}"
    return f"{unit(kind)} {progress.done}/{progress.total}{loss}"


@dataclass
class Running:
    """A stage that runs: where, since when (seconds of the clock that it is told of), how far it is."""

    stage: Stage
    place: str
    begun: float
    progress: Progress | None = None
    pace: Pace = field(default_factory=Pace)
    left: float | None = None  # seconds that it still takes

    def see(self, progress: Progress, now: float) -> None:
        """It is this far."""
        self.progress = progress
        self.pace.see(progress, now)
        self.left = self.pace.left(now)


def name_of(stage: Stage) -> str:
    """A stage's recipe, job and kind, as shown."""
    return f"{stage.folder.parent.parent.name} {stage.name}"


class Tally:
    """Counts the stages of a run, and knows which of them run, wait and are to come; told by a listener.

    Attributes:
        total: all stages of the plans, what was done before among them.
        over: the folders of the stages that ended or failed in this run.
        running: by folder, in the order in which they began.
        took: what ended well in this run, and after how many seconds.
        waiting: what could begin but waits, with for what.
        to_come: by folder, what has not begun.
    """

    def __init__(self, plans: Sequence[Plan] = (), now: float = 0.0) -> None:
        self.began = now
        self.plans = plans
        self.total = sum(len(job.stages) for plan in plans for job in plan.jobs)
        self.to_come = {stage.folder: stage for plan in plans for job in plan.jobs for stage in job.todo()}
        self.before = self.total - len(self.to_come)
        self.skipped = self.failed = 0
        self.over: set[Path] = set()
        self.took: list[tuple[Stage, float]] = []
        self.running: dict[Path, Running] = {}
        self.waiting: Sequence[tuple[Stage, str]] = ()

    def begin(self, stage: Stage, place: str, now: float) -> None:
        """A stage begins."""
        self.to_come.pop(stage.folder, None)
        self.waiting = tuple(one for one in self.waiting if one[0].folder != stage.folder)
        self.running[stage.folder] = Running(stage, place, now)

    def end(self, stage: Stage, now: float, *, well: bool) -> None:
        """A stage ended, well or not; of its job nothing follows then."""
        self.over.add(stage.folder)
        running = self.running.pop(stage.folder, None)
        if well and running:
            self.took.append((stage, now - running.begun))
        elif not well:
            self.failed += 1
            for folder in [folder for folder in self.to_come if folder.parent == stage.folder.parent]:
                del self.to_come[folder]

    def number(self, stage: Stage) -> int:
        """How many stages are over, this one included."""
        return self.ended + (stage.folder not in self.over)

    def named(self, stage: Stage) -> str:
        """A stage's name, without the recipe's where there is only one."""
        return name_of(stage) if len(self.plans) > 1 else stage.name

    @property
    def head(self) -> str:
        """The name of the only recipe, before what is said of it."""
        return f"{self.plans[0].recipe.name}: " if len(self.plans) == 1 else ""

    @property
    def ended(self) -> int:
        """How many stages are over."""
        return self.skipped + len(self.over)

    @property
    def done(self) -> int:
        """How many of them well."""
        return self.ended - self.failed
