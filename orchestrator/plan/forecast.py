"""What is left of plans is likely to take, all in all: GPU hours, disk, and hours on the GPUs that are here."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from orchestrator.machine.gpus import visible_gpus
from orchestrator.plan.bill import Bill, bill_of
from orchestrator.plan.devices import intended_device, need_of
from orchestrator.plan.estimate import Expected, expected
from orchestrator.plan.known import Known
from orchestrator.plan.plan import Job, Plan, Stage

HOUR = 3600.0


class Need(NamedTuple):
    """What a stage that is to run needs.

    Attributes:
        stage: the stage.
        job: its job's name.
        gpus: how many it takes at once; 0 on a CPU, and for a hosted model.
        expected: what it is likely to take.
        gpu_hours: wall time x GPUs; ``None``: not known.
        bill: of a hosted model's answers; ``None`` of any other stage.
    """

    stage: Stage
    job: str
    gpus: int
    expected: Expected
    gpu_hours: float | None
    bill: Bill | None = None


def gpus_of(plan: Plan, stage: Stage) -> int:
    """How many GPUs a stage takes at once, wherever it is planned; none on a CPU that the recipe names."""
    return need_of(plan.recipe, stage.kind, intended_device(plan)).most


def needs_of(plan: Plan, known: Known) -> list[Need]:
    """What the stages of a plan need that are to run, in the order in which they do."""
    return [_need(plan, job, stage, known) for job in plan.jobs for stage in job.todo()]


def _need(plan: Plan, job: Job, stage: Stage, known: Known) -> Need:
    gpus, likely = gpus_of(plan, stage), expected(plan, job, stage, known, intended_device(plan))
    hours = None if likely.seconds is None else likely.seconds * gpus / HOUR
    return Need(stage, job.name, gpus, likely, hours if gpus else 0.0, bill_of(job, stage, known.counted))


@dataclass(frozen=True)
class Forecast:
    """What is left of some plans, all in all.

    Attributes:
        stages: how many are to run.
        gpu_hours: of those of which it is known.
        unknown: the stages on GPUs of which it is not.
        disk_bytes: of those of which it is known.
        sizes_unknown: how many stages there are of which it is not.
        best_hours: wall time on the GPUs that can be seen: the GPU hours over their number, or the longest job;
            ``None`` without a GPU, and where something is not known.
        gpus: how many can be seen.
        cost: of hosted models' answers in USD, of those of which it is known.
    """

    stages: int
    gpu_hours: float
    unknown: tuple[Stage, ...]
    disk_bytes: int
    sizes_unknown: int
    best_hours: float | None
    gpus: int
    cost: float = 0.0


def forecast(plans: Sequence[Sequence[Need]]) -> Forecast:
    """The sum of what the stages of each of some plans need."""
    needs = [need for plan in plans for need in plan]
    known = [need.gpu_hours for need in needs if need.gpu_hours is not None]
    unknown = tuple(need.stage for need in needs if need.gpu_hours is None)
    sizes = [need.expected.disk_bytes for need in needs if need.expected.disk_bytes is not None]
    gpus, best = len(visible_gpus()), None
    if gpus and not unknown and any(known):
        best = max(sum(known) / gpus, max(map(_longest, plans), default=0.0))
    cost = sum(need.bill.cost or 0.0 for need in needs if need.bill)
    return Forecast(len(needs), sum(known), unknown, sum(sizes), len(needs) - len(sizes), best, gpus, cost)


def _longest(needs: Sequence[Need]) -> float:
    """Hours of the longest of a plan's jobs, whose stages run one after another."""
    jobs: dict[str, float] = {}
    for need in needs:
        jobs[need.job] = jobs.get(need.job, 0.0) + (need.expected.seconds or 0.0) / HOUR
    return max(jobs.values(), default=0.0)


def free_bytes(folder: Path) -> int | None:
    """How much is free on the disk of a folder, which need not be there yet; ``None``: not known."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.absolute().parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
