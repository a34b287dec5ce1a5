"""Plans over the demo's data, and how the keys of two differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.plan.plan import Plan
from tests import recipes


def demo_plan(root: Path, *overrides: str, recipe: str = "demo", **options: Any) -> Plan:
    return recipes.plan_of(recipe, f"data.root={root}", *overrides, **options)


def keys(plan: Plan) -> dict[str, str]:
    (job,) = plan.jobs
    return {stage.kind: stage.key for stage in job.stages}


def changed(before: Plan, after: Plan) -> set[str]:
    old, new = keys(before), keys(after)
    assert old.keys() == new.keys()
    return {kind for kind in old if old[kind] != new[kind]}
