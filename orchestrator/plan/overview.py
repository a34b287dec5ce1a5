"""Plans of several recipes side by side, with what the release's scripts do for the same models and methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.benchmark import task
from orchestrator.checked_yaml.plain import load_yaml
from orchestrator.plan.devices import device_of, gpus_needed, inference_processes
from orchestrator.plan.plan import Plan

BYTES_PER_PARAMETER = 2  # merged weights are written in bf16


@dataclass(frozen=True)
class Row:
    """One plan in numbers; ``released_*`` is ``None`` where the release has no script for the model and method.

    ``merged_tb``: terabytes of merged weights that the scripts write.
    """

    recipe: str
    method: str
    toolkit: str
    jobs: int
    stages: int
    done: int
    loads: int
    gpus: int
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
    return gpus_needed(plan.recipe, "cpu" if plan.recipe.resources.device == "cpu" else "cuda")


@cache
def _scripts() -> dict[str, dict[str, dict[str, Any]]]:
    content: dict[str, dict[str, dict[str, Any]]] = load_yaml(Path(task.__file__).with_name("released_scripts.yaml"))
    return content


def row_of(plan: Plan) -> Row:
    """One plan in numbers."""
    recipe, model = plan.recipe, plan.recipe.model
    stages = list(plan.stages)
    script = _scripts().get(model.toolkit, {}).get(recipe.method)
    released, merged = None, None
    if script is not None and model.init is None and model.name in script.get("models", [model.name]):
        count = len(recipe.tasks)
        released = script.get("loads", 0) + count * script["loads_per_task"]
        models = script.get("merged", 0) + count * script.get("merged_per_task", 0)
        merged = models * (model.params_b or 0) * BYTES_PER_PARAMETER / 1000
    return Row(
        recipe=recipe.name,
        method=recipe.method,
        toolkit=model.toolkit,
        jobs=len(plan.jobs),
        stages=len(stages),
        done=len(stages) - sum(len(job.todo()) for job in plan.jobs),
        loads=loads(plan),
        gpus=gpus(plan),
        released_loads=released,
        merged_tb=merged,
    )


def table(plans: Sequence[Plan]) -> str:
    """The plans as lines of text, and their sum; the sum of our loads beside the release's covers the same rows."""
    rows = [row_of(plan) for plan in plans]
    head = ("recipe", "method", "toolkit", "jobs", "stages", "done", "loads", "GPUs", "released loads", "merged TB")
    lines = [head, *(_cells(row) for row in rows)]
    both = [row for row in rows if row.released_loads is not None]
    total = Row(
        recipe="all",
        method="",
        toolkit="",
        jobs=sum(row.jobs for row in rows),
        stages=sum(row.stages for row in rows),
        done=sum(row.done for row in rows),
        loads=sum(row.loads for row in rows),
        gpus=max(row.gpus for row in rows),
        released_loads=sum(row.released_loads or 0 for row in both),
        merged_tb=sum(row.merged_tb or 0 for row in both),
    )
    lines.append(_cells(total))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rule = "-" * max(map(len, text))
    said = [
        text[0], rule, *text[1:-1], rule, text[-1],
        "loads: how often the model is loaded. released: what the benchmark's own scripts do for the same, and the",
        "merged weights that they write; empty where there is no script. GPUs: the most that one stage needs.",
    ]  # fmt: skip
    if len(both) < len(rows):
        said.append(f"Where there are both: {sum(row.loads for row in both)} loads here, {total.released_loads} there.")
    return "\n".join(said)


def _cells(row: Row) -> tuple[str, ...]:
    released = "" if row.released_loads is None else str(row.released_loads)
    merged = f"{row.merged_tb:.2f}" if row.merged_tb else ""
    numbers = (row.jobs, row.stages, row.done, row.loads, row.gpus)
    return (row.recipe, row.method, row.toolkit, *map(str, numbers), released, merged)
