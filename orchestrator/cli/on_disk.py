"""How far a run is, as its folder tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.cli.clock import clock
from orchestrator.cli.disk_progress import elapsed_of, left_of, progress_of
from orchestrator.cli.planned import Planned
from orchestrator.cli.tally import Tally, amount
from orchestrator.cli.whole import Whole
from orchestrator.machine.leases import Owner, owner_of
from orchestrator.machine.presence import present
from orchestrator.plan.plan import Plan
from orchestrator.plan.record import STATE, Record, read
from orchestrator.toolkits.base import Progress

STAGE_ROW = ("stage", "state", "progress", "time", "left", "began", "error", "folder")  # columns of the table


@dataclass(frozen=True)
class StageOnDisk:
    """A stage that has begun once.

    Attributes:
        stage: ``<job>/<kind>``.
        state: as its `Record` says; ``stopped`` where whoever ran it is gone, ``damaged`` where nothing can be read.
        progress: how far it is, in words; empty where that is not known, or it is done.
        seconds: what all its attempts took, the present one until now.
        left: seconds that it still takes; ``None`` where it does not run or nobody can know.
        began: the first attempt, UTC in ISO 8601.
        error: the first line of why it failed.
        folder: its folder.
    """

    stage: str
    state: str
    progress: str
    seconds: float | None
    left: float | None
    began: str
    error: str
    folder: str

    @property
    def row(self) -> dict[str, Any]:
        """As people read it."""
        took = clock(self.seconds) if self.seconds else None
        left = clock(self.left) if self.left is not None else None
        cells = (self.stage, self.state, self.progress, took, left, self.began, self.error, self.folder)
        return dict(zip(STAGE_ROW, cells, strict=True))


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

    @property
    def state(self) -> str:
        """In a word or two: running, waiting (a process is at it, and all of it waits for its turn), not running."""
        return state_of(self.owners, self.at_work)

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"state": self.state} | asdict(self)


@dataclass
class _Read:
    """A stage's folder, what it says of itself, and how far it is."""

    folder: Path
    record: Record | None
    owned: bool
    progress: Progress | None = None
    seconds: float | None = None
    left: float | None = None

    @property
    def job(self) -> str:
        return self.folder.parent.name

    @property
    def state(self) -> str:
        if self.record is None:
            return "damaged"
        # whoever ran it was killed before it could say so
        return "stopped" if self.record.state == "running" and not self.owned else self.record.state


@dataclass
class Reader:
    """Reads runs, again and again where somebody watches: what does not change is read once."""

    planned: Planned = field(default_factory=Planned)

    def read(self, folder: Path) -> RunOnDisk:
        """How far the run in a folder is."""
        stages, owners = _stages(folder)
        plan = self.planned.plan(folder)
        jobs = self.planned.jobs(folder)
        begun, at_work = {one.folder for one in stages}, list(present(folder))
        if plan:
            done = sum(job.done for job in plan.jobs)
            waiting = list(_waiting(plan, begun))
        else:
            done = sum(one.record is not None and (one.record.stage, one.state) == ("score", "done") for one in stages)
            waiting = [name for name in jobs if name not in {path.parent.name for path in begun}]
        return RunOnDisk(
            running=bool(owners or at_work),
            jobs=len(jobs) or None,
            jobs_done=done,
            left=_left_of_all(plan, stages) if plan and owners else None,
            owners={job: owner for job, owner in owners.items() if owner},
            stages=[_shown(one) for one in stages],
            waiting=waiting,
            note=self.planned.note(folder),
            at_work=at_work,
        )


def stages_on_disk(folder: Path) -> list[StageOnDisk]:
    """Every stage of a run folder, in the order in which they began."""
    return [_shown(one) for one in _stages(folder)[0]]


def state_of(owners: Mapping[str, Owner], at_work: Collection[Owner]) -> str:
    """The state of a run by who works on its jobs, and who is at it."""
    return "running" if owners else "waiting" if at_work else "not running"


def state_of_run(folder: Path) -> str:
    """The state of the run in a folder."""
    return state_of(running_jobs(folder), list(present(folder)))


def running_jobs(folder: Path) -> dict[str, Owner]:
    """The jobs of a run folder on which somebody works now, and who."""
    jobs = ((path.name, owner_of(path)) for path in sorted(folder.glob("*/")))
    return {name: owner for name, owner in jobs if owner}


def _stages(folder: Path) -> tuple[list[_Read], dict[str, Owner]]:
    owners = running_jobs(folder)
    found = [_Read(path.parent, _readable(path.parent), path.parent.parent.name in owners)
             for path in folder.glob(f"*/*/{STATE}")]  # fmt: skip
    for one in found:
        if one.record:
            _look(one, one.record)
    return sorted(found, key=lambda one: _began(one.record)), owners


def _readable(folder: Path) -> Record | None:
    """What a stage says of itself, where that is enough to show it."""
    record = read(folder)
    return record if record and record.job and record.attempts else None


def _began(record: Record | None) -> str:
    return record.attempts[0].started_at if record else ""


def _look(one: _Read, record: Record) -> None:
    """See how far a stage is, and how long it took and takes."""
    if record.state != "done":
        one.progress = progress_of(one.folder, record)
    one.seconds = record.seconds
    if one.state == "running":
        elapsed = elapsed_of(record)
        one.seconds = round(sum(attempt.seconds or 0.0 for attempt in record.attempts) + elapsed, 1)
        one.left = left_of(record, one.progress, elapsed)


def _shown(one: _Read) -> StageOnDisk:
    """A stage in words; a damaged one, which the next run makes anew, by what its folder is called."""
    record = one.record
    name = f"{record.job}/{record.stage}" if record else f"{one.job}/{one.folder.name.rpartition('-')[0]}"
    return StageOnDisk(
        stage=name,
        state=one.state,
        progress=amount(one.progress, record.stage) if record and one.progress else "",
        seconds=one.seconds,
        left=one.left,
        began=_began(record)[:19],
        error=(record.error or "").split("\n")[0] if record else "",
        folder=str(one.folder),
    )


def _waiting(plan: Plan, begun: set[Path]) -> Iterator[str]:
    """The jobs that have not begun, and of the others the stages."""
    for job in plan.jobs:
        todo = [stage for stage in job.todo() if stage.folder not in begun]
        if todo and len(todo) == len(job.todo()) and not any(path.parent.name == job.name for path in begun):
            yield job.name
        else:
            yield from (stage.name for stage in todo)


def _left_of_all(plan: Plan, stages: Sequence[_Read]) -> float | None:
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
