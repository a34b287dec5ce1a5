"""How far a run is, as its folder tells."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.cli.in_queue import Queue, SubmittedJob, submitted_jobs
from orchestrator.cli.planned import Planned
from orchestrator.cli.stages_on_disk import StageOnDisk, StageRead, read_stages, running_jobs, state_of
from orchestrator.cli.table import tell
from orchestrator.cli.tally import Tally
from orchestrator.cli.whole import Whole
from orchestrator.launch.slurm.batches import width_of
from orchestrator.launch.slurm.submitted import Submitted, read_submitted
from orchestrator.machine.leases import Owner
from orchestrator.machine.presence import present
from orchestrator.plan.plan import Plan
from orchestrator.run.report import write_missing


@dataclass(frozen=True)
class RunOnDisk:
    """How far a run is.

    Attributes:
        running: whether a process is at it: it works on some of its jobs, or they wait for their turn.
        jobs: how many there are; ``None`` where no recipe that can be read tells.
        jobs_done: of these.
        left: seconds that it still takes; ``None`` where it does not run or nobody can know.
        owners: by job, who works on it.
        stages: what has begun, in that order.
        waiting: what has not: jobs, and stages of jobs that have begun.
        note: why less is known than could be.
        at_work: the processes that are at it, whether their jobs run or wait.
        submitted: the jobs that were submitted to Slurm and have no result yet.
    """

    running: bool
    jobs: int | None
    jobs_done: int
    left: float | None
    owners: Mapping[str, Owner]
    stages: Sequence[StageOnDisk]
    waiting: Sequence[str]
    note: str = ""
    at_work: Sequence[Owner] = ()
    submitted: Sequence[SubmittedJob] = ()

    @property
    def queued(self) -> bool:
        """Whether jobs of it wait or run in Slurm's queue."""
        return any(job.waits_or_runs for job in self.submitted)

    @property
    def state(self) -> str:
        """In a word or two: as `state_of`, or queued (jobs of it are in Slurm's queue, none of them at work)."""
        return "queued" if self.queued and not self.running else state_of(self.owners, self.at_work)

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"state": self.state} | asdict(self)


@dataclass(frozen=True)
class _Look:
    """What a run's folder says: who works on it and is at it, its plan, its stages, what is done or submitted."""

    owners: Mapping[str, Owner]
    at_work: Sequence[Owner]
    plan: Plan | None
    stages: Sequence[StageRead]
    done: Collection[str]
    submitted: Mapping[str, Submitted]

    @property
    def open(self) -> dict[str, Submitted]:
        """What was submitted and has no result."""
        return {job: entry for job, entry in self.submitted.items() if job not in self.done}


@dataclass
class Reader:
    """Reads runs, again and again where somebody watches: what does not change is read once."""

    planned: Planned = field(default_factory=Planned)
    queue: Queue = field(default_factory=Queue)
    _written: dict[Path, int] = field(default_factory=dict)

    def read(self, folders: Mapping[str, Path]) -> dict[str, RunOnDisk]:
        """How far the runs in some folders are, by the same names; Slurm is asked once about all of them."""
        found = {name: self._look(folder) for name, folder in folders.items()}
        self.queue.ask({entry.id for look in found.values() for entry in look.open.values()})
        for look in found.values():
            self._write_results(look)
        return {name: self._run(folders[name], look) for name, look in found.items()}

    def _write_results(self, look: _Look) -> None:
        """See that results of jobs that were submitted stand in their file, when another job is done."""
        written = {entry.results for job, entry in look.submitted.items() if job in look.done}
        known = look.plan and self._written.get(look.plan.folder)
        if not look.plan or not written or known == len(look.done) or look.owners:
            return
        self._written[look.plan.folder] = len(look.done)
        for path in map(Path, sorted(written)):
            if path.stem == look.plan.recipe.name:  # a sweep's runs share theirs: its command writes it
                write_missing(look.plan, path, lambda text: tell(text, file=sys.stderr))

    def _look(self, folder: Path) -> _Look:
        owners, plan = running_jobs(folder), self.planned.plan(folder)
        stages = read_stages(folder, owners)
        if plan:
            done = {job.name for job in plan.jobs if job.done}
        else:
            done = {one.job for one in stages if one.record and (one.record.stage, one.state) == ("score", "done")}
        return _Look(owners, list(present(folder)), plan, stages, done, read_submitted(folder))

    def _run(self, folder: Path, look: _Look) -> RunOnDisk:
        owners, plan, stages = look.owners, look.plan, look.stages
        jobs, begun = self.planned.jobs(folder), {one.folder for one in stages}
        started = {path.parent.name for path in begun}
        notes = [self.planned.note(folder)]
        if look.open and self.queue.problem:
            notes.append(f"what Slurm does with its jobs is not known here: {self.queue.problem}")
        return RunOnDisk(
            running=bool(owners or look.at_work),
            jobs=len(jobs) or None,
            jobs_done=len(look.done),
            left=_left_of_all(plan, stages) if plan and owners else None,
            owners=owners,
            stages=[one.shown for one in stages],
            waiting=list(_waiting(plan, begun)) if plan else [name for name in jobs if name not in started],
            note="; ".join(filter(None, notes)),
            at_work=look.at_work,
            submitted=submitted_jobs(folder, look.open, self.queue, stages, _gpus(plan)),
        )


def _gpus(plan: Plan | None) -> dict[str, int]:
    """By job, the GPUs that it asks for."""
    widths = {job.name: width_of(plan, job) for job in plan.jobs} if plan else {}
    return {name: gpus * nodes for name, (gpus, nodes) in widths.items()}


def _waiting(plan: Plan, begun: set[Path]) -> Iterator[str]:
    """The jobs that have not begun, and of the others the stages."""
    for job in plan.jobs:
        todo = [stage for stage in job.todo() if stage.folder not in begun]
        if todo and len(todo) == len(job.todo()) and not any(path.parent.name == job.name for path in begun):
            yield job.name
        else:
            yield from (stage.name for stage in todo)


def _left_of_all(plan: Plan, stages: Sequence[StageRead]) -> float | None:
    """Seconds that a run still takes, as the view of the run itself tells it."""
    now = datetime.now(UTC).timestamp()
    tally, known = Tally([plan], now), {one.folder: one for one in stages}
    for job in plan.jobs:
        for stage in job.stages:
            one = known.get(stage.folder)
            if one and one.state == "done" and one.seconds is not None:
                tally.took.append((stage, one.seconds))
            elif one and one.state == "running" and one.seconds is not None:
                tally.begin(stage, "", now - one.seconds)
                tally.running[stage.folder].left = one.left
            elif one and not one.owned:  # it failed, and is not tried again by this run
                for folder in [folder for folder in tally.to_come if folder.parent == stage.folder.parent]:
                    del tally.to_come[folder]
    return Whole(tally).left(now)
