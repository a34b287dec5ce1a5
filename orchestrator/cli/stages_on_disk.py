"""The stages of a run, as their folders tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.clock import clock
from orchestrator.cli.disk_progress import elapsed_of, left_of, progress_of
from orchestrator.cli.tally import amount
from orchestrator.machine.leases import Owner, owner_of
from orchestrator.machine.presence import present
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


@dataclass
class StageRead:
    """A stage's folder, what it says of itself, and how far it is.

    Attributes:
        folder: the stage's.
        record: what it says; ``None`` where that is damaged.
        owned: whether somebody works on its job.
        progress: how far it is, where that is known and it is not done.
        seconds: see `StageOnDisk`.
        left: see `StageOnDisk`.
    """

    folder: Path
    record: Record | None
    owned: bool
    progress: Progress | None = None
    seconds: float | None = None
    left: float | None = None

    @property
    def job(self) -> str:
        """Its job's name."""
        return self.folder.parent.name

    @property
    def state(self) -> str:
        """See `StageOnDisk`."""
        if self.record is None:
            return "damaged"
        # whoever ran it was killed before it could say so
        return "stopped" if self.record.state == "running" and not self.owned else self.record.state

    @property
    def began(self) -> str:
        """When its first attempt did, UTC in ISO 8601."""
        return self.record.attempts[0].started_at if self.record else ""

    @property
    def shown(self) -> StageOnDisk:
        """It in words; a damaged one, which the next run makes anew, by what its folder is called."""
        record = self.record
        name = f"{record.job}/{record.stage}" if record else f"{self.job}/{self.folder.name.rpartition('-')[0]}"
        return StageOnDisk(
            stage=name,
            state=self.state,
            progress=amount(self.progress, record.stage) if record and self.progress else "",
            seconds=self.seconds,
            left=self.left,
            began=self.began[:19],
            error=(record.error or "").split("\n")[0] if record else "",
            folder=str(self.folder),
        )


def stages_on_disk(folder: Path) -> list[StageOnDisk]:
    """Every stage of a run folder, in the order in which they began."""
    return [one.shown for one in read_stages(folder, running_jobs(folder))]


def state_of(owners: Mapping[str, Owner], at_work: Collection[Owner]) -> str:
    """The state of a run by who works on its jobs, and who is at it.

    That is running, waiting (a process is at it, and all of it waits for its turn), or not running.
    """
    return "running" if owners else "waiting" if at_work else "not running"


def state_of_run(folder: Path) -> str:
    """The state of the run in a folder."""
    return state_of(running_jobs(folder), list(present(folder)))


def running_jobs(folder: Path) -> dict[str, Owner]:
    """The jobs of a run folder on which somebody works now, and who."""
    jobs = ((path.name, owner_of(path)) for path in sorted(folder.glob("*/")))
    return {name: owner for name, owner in jobs if owner}


def read_stages(folder: Path, owners: Mapping[str, Owner]) -> list[StageRead]:
    """Every stage of a run folder, in the order in which they began.

    Args:
        folder: the run's.
        owners: who works on its jobs.
    """
    found = [StageRead(path.parent, _readable(path.parent), path.parent.parent.name in owners)
             for path in folder.glob(f"*/*/{STATE}")]  # fmt: skip
    for one in found:
        if one.record:
            _look(one, one.record)
    return sorted(found, key=lambda one: one.began)


def _readable(folder: Path) -> Record | None:
    """What a stage says of itself, where that is enough to show it."""
    record = read(folder)
    return record if record and record.job and record.attempts else None


def _look(one: StageRead, record: Record) -> None:
    """See how far a stage is, and how long it took and takes."""
    if record.state != "done":
        one.progress = progress_of(one.folder, record)
    one.seconds = record.seconds
    if one.state == "running":
        elapsed = elapsed_of(record)
        one.seconds = round(sum(attempt.seconds or 0.0 for attempt in record.attempts) + elapsed, 1)
        one.left = left_of(record, one.progress, elapsed)
