"""What is to be done in a run's folder, by the recipe that is kept there; nothing is written or started."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.data.samples import split_file
from orchestrator.errors import InputError
from orchestrator.plan.make import job_tasks, make_plan
from orchestrator.plan.only import splits_of
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.trust import KEPT
from orchestrator.run import RECIPE


@dataclass(frozen=True)
class _Known:
    """Of one state of a kept recipe: the plan, where it can be made; the jobs' names; why there is no plan."""

    plan: Plan | None = None
    jobs: tuple[str, ...] = ()
    note: str = ""


@dataclass
class Planned:
    """Plans of runs' folders, each made once as long as its recipe stays the same."""

    _known: dict[Path, tuple[int, _Known]] = field(default_factory=dict)
    _seen: dict[str, str | None] = field(default_factory=dict)

    def plan(self, folder: Path) -> Plan | None:
        """The plan of the run in a folder; ``None`` where it cannot be made."""
        return self._of(folder).plan

    def jobs(self, folder: Path) -> tuple[str, ...]:
        """The names of its jobs; none where no recipe tells."""
        return self._of(folder).jobs

    def note(self, folder: Path) -> str:
        """Why there is no plan; empty where there is one, or no recipe was kept."""
        return self._of(folder).note

    def _of(self, folder: Path) -> _Known:
        try:
            written = (folder / RECIPE).stat().st_mtime_ns
        except OSError:
            return _Known()
        known = self._known.get(folder)
        if known is None or known[0] != written:
            known = self._known[folder] = (written, self._make(folder))
        return known[1]

    def _make(self, folder: Path) -> _Known:
        jobs: tuple[str, ...] = ()
        try:
            recipe = load_recipe(folder / RECIPE, trust=KEPT)
            jobs = tuple(job_tasks(recipe))
            plan = make_plan(recipe, folder.parent, seen=self._seen)
        except (InputError, OSError) as error:
            reason = str(error).split("\n")[0]
            return _Known(jobs=jobs, note=f"what has not begun is not known here: {reason}")
        if plan.folder != folder:
            return _Known(jobs=jobs, note=f"{folder / RECIPE} is that of another run, {recipe.name}")
        if lacking := _lacking(recipe, plan):
            return _Known(jobs=jobs, note=f"what is still to be done is not known here: no {lacking}")
        return _Known(plan, jobs)


def _lacking(recipe: Recipe, plan: Plan) -> str:
    """The first split that is not here; without it keys are others, and nothing would seem done."""
    root = Path(recipe.data.root)
    for job in plan.jobs:
        for task in job.tasks:
            for split in splits_of(job):
                # a dev split may be none
                if split != "dev" and split_file(task, split, root) is None:
                    return f"{split} split of {task.name} in {root}"
    return ""
