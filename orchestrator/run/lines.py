"""The jobs of a run on their way through their stages, and what of them waits in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.machine.leases import Lease
from orchestrator.plan.devices import Need, device_of, need_of
from orchestrator.plan.estimate import expected
from orchestrator.plan.known import Known
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.run.queue import Queue, Work


@dataclass(eq=False)
class Line:
    """A job on its way.

    Attributes:
        plan: the job's.
        job: the job.
        order: its place among all jobs.
        left: of its stages those that are not done, as far as the listener was told.
        works: what the queue has of it: the next stage, and one that is to come soon.
        lock: held while a stage of it runs.
    """

    plan: Plan
    job: Job
    order: int
    left: list[Stage]
    works: dict[Stage, Work] = field(default_factory=dict)
    lock: Lease | None = None

    @property
    def folder(self) -> Path:
        """The job's."""
        return self.plan.folder / self.job.name

    def need(self, stage: Stage) -> Need:
        """What a stage computes on here; of the other nodes of an allocation it takes the same GPUs."""
        return need_of(self.job.recipe, stage.kind, device_of(self.plan)).on_a_node()

    def release(self) -> None:
        """Give the job's lock back."""
        if self.lock:
            self.lock.release()
            self.lock = None


class Lines:
    """All jobs of a run, and the queue that their stages wait in.

    ``known``: what earlier runs took, where that is to decide the order.
    """

    def __init__(self, plans: Sequence[Plan], queue: Queue, known: Known | None = None):
        jobs = [(plan, job) for plan in plans for job in plan.jobs]
        self.all = [Line(plan, job, order, list(job.stages)) for order, (plan, job) in enumerate(jobs)]
        self._queue, self._known = queue, known
        self._stage_of: dict[Work, tuple[Line, Stage]] = {}

    def __bool__(self) -> bool:
        """Whether anything waits in the queue."""
        return bool(self._stage_of)

    def of(self, work: Work) -> tuple[Line, Stage]:
        """Whose stage waits as this work."""
        return self._stage_of[work]

    def taken(self, work: Work) -> tuple[Line, Stage]:
        """The same of one that waits no more."""
        line, stage = self._stage_of.pop(work)
        del line.works[stage]
        return line, stage

    def advance(self, line: Line) -> int:
        """Put a job's next stage into the queue, and what will soon follow it onto GPUs.

        Returns:
            How many of its stages were done elsewhere since.
        """
        todo = line.job.todo()
        elsewhere = sum(stage not in todo for stage in line.left)
        line.left = [stage for stage in line.left if stage in todo]
        for stage in [stage for stage in line.works if stage not in todo]:
            self._forget(line, stage)
        if todo:
            self._wait(line, todo[0])
            heavy = next((stage for stage in todo if any(line.need(stage))), None)
            if heavy and heavy is not todo[0]:
                self._wait(line, heavy, soon=True)
        return elsewhere

    def forget(self, line: Line) -> None:
        """Take all that waits of a job out of the queue."""
        for stage in list(line.works):
            self._forget(line, stage)

    def _wait(self, line: Line, stage: Stage, *, soon: bool = False) -> None:
        work = line.works.get(stage)
        if work is None:
            need, name = line.need(stage), f"{line.plan.recipe.name} {stage.name}"
            order = line.order * 10 + line.job.stages.index(stage)
            seconds, *after = self._lengths(line, stage)
            chain = sum(filter(None, (seconds, *after))) or None
            work = line.works[stage] = Work(name, order, need.least, need.most, need.host, seconds, chain)
            self._stage_of[work] = line, stage
        self._queue.add(work, soon=soon)

    def _lengths(self, line: Line, stage: Stage) -> list[float | None]:
        """Seconds that a stage, and each that follows in its job, is expected to take on the least GPUs."""
        if not self._known:
            return [None]
        found = []
        for one in line.left[line.left.index(stage) :] if stage in line.left else [stage]:
            seconds, need = expected(line.plan, line.job, one, self._known).seconds, line.need(one)
            found.append(seconds * need.most / need.least if seconds is not None and need.least else seconds)
        return found

    def _forget(self, line: Line, stage: Stage) -> None:
        work = line.works.pop(stage)
        del self._stage_of[work]
        self._queue.remove(work)
