"""Plans of several recipes side by side: what they take, and what the release's scripts do for the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.benchmark.model import models
from orchestrator.plan.devices import device_of, gpus_needed, inference_processes, intended_device
from orchestrator.plan.forecast import Need, forecast
from orchestrator.plan.plan import Plan
from orchestrator.recipe.released import release

BYTES_PER_PARAMETER = 2  # merged weights are written in bf16


@dataclass(frozen=True)
class PlanRow:
    """One plan in numbers; ``released_loads`` is ``None`` where the release has no script for the model and method.

    Attributes:
        gpu_hours: of what is left; ``None`` where it is not known of every stage.
        disk_bytes: likewise.
        merged_tb: terabytes of merged weights that the scripts write.
    """

    recipe: str
    jobs: int
    stages: int
    done: int
    loads: int
    gpus: int
    gpu_hours: float | None
    disk_bytes: int | None
    released_loads: int | None
    merged_tb: float | None


def loads(plan: Plan) -> int:
    """How often a plan's stages load the model, once in each inference process; never a hosted one."""
    recipe = plan.recipe
    if not recipe.model.gpus:
        return 0
    kinds = Counter(stage.kind for stage in plan.stages)
    answering = kinds["infer"] + (kinds["select"] if recipe.select.strategy == "dev_accuracy" else 0)
    return kinds["train"] + kinds["merge"] + answering * inference_processes(recipe, device_of(plan))


def gpus(plan: Plan) -> int:
    """How many GPUs a plan's largest stage needs, wherever it is planned; 0 for a hosted model and on a CPU."""
    return gpus_needed(plan.recipe, intended_device(plan))


def row_of(plan: Plan, needs: Sequence[Need]) -> PlanRow:
    """One plan in numbers; ``needs``: of what is left of it."""
    recipe, model = plan.recipe, plan.recipe.model
    stages = list(plan.stages)
    script = release(model.toolkit).scripts.get(recipe.method)
    released, merged = None, None
    asked = [entry.name for entry in models().values() if entry.benchmark]
    if script is not None and model.name in asked and (model.name in script.models or not script.models):
        count = len(recipe.tasks)
        released = script.loads + count * script.loads_per_task
        written = script.merged + count * script.merged_per_task
        merged = written * (model.params_b or 0) * BYTES_PER_PARAMETER / 1000
    left = forecast([needs])
    return PlanRow(
        recipe=recipe.name,
        jobs=len(plan.jobs),
        stages=len(stages),
        done=len(stages) - len(needs),
        loads=loads(plan),
        gpus=gpus(plan),
        gpu_hours=None if left.unknown else left.gpu_hours,
        disk_bytes=None if left.sizes_unknown else left.disk_bytes,
        released_loads=released,
        merged_tb=merged,
    )


def total_of(rows: Sequence[PlanRow]) -> PlanRow:
    """The sum of several plans, as far as it is known; of GPUs the most that one needs."""
    summed = ("jobs", "stages", "done", "loads", "released_loads", "merged_tb")
    sums: dict[str, Any] = {name: sum(getattr(row, name) or 0 for row in rows) for name in summed}
    for name in ("gpu_hours", "disk_bytes"):
        values = [getattr(row, name) for row in rows]
        # nothing but recipes that take none says nothing of the others
        sums[name] = sum(value or 0 for value in values) or (None if None in values else 0)
    return PlanRow("all", gpus=max(row.gpus for row in rows), **sums)
