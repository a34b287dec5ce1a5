"""What of recipes would be submitted: which jobs are done, which wait or run, and the batches of the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from orchestrator.errors import InputError, Problem
from orchestrator.launch.slurm import client
from orchestrator.launch.slurm.batches import USUAL_ARRAY, Command, Kept, batches_of, kept, work_of
from orchestrator.launch.slurm.client import Queued
from orchestrator.launch.slurm.script import Batch
from orchestrator.launch.slurm.site import read_site, settings_of
from orchestrator.launch.slurm.submitted import Submitted, read_submitted
from orchestrator.machine.leases import Owner, owner_of
from orchestrator.plan.make import make_plan
from orchestrator.plan.only import OPTION, chosen
from orchestrator.plan.plan import Job, Plan
from orchestrator.plan.same import refuse_same
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.slurm import Slurm
from orchestrator.run.report import whole


@dataclass(frozen=True)
class Wanted:
    """What a command wants submitted.

    Attributes:
        files: the recipes.
        runs_dir: where runs are.
        results_dir: where results go.
        only: names of jobs; all if none.
        merge: also write merged weights.
        site: the site's file, where one is named.
        array_limit: at most so many jobs of an array at once, whatever recipe and site say.
    """

    files: RecipeFiles
    runs_dir: Path
    results_dir: Path
    only: Sequence[str] = ()
    merge: bool = False
    site: Path | None = None
    array_limit: int | None = None

    @cached_property
    def command(self) -> Command:
        """What the jobs' commands say beside their recipes."""
        runs_dir, results_dir = self.runs_dir.expanduser().absolute(), self.results_dir.expanduser().absolute()
        return Command(runs_dir, results_dir, Path.cwd(), self.merge, tuple(self.files.trust.options()))

    def recipes(self) -> list[Recipe]:
        """The recipes, with what their site asks for.

        Raises:
            InputError: a recipe or the site's file is wrong, or a stage alone is wanted.
        """
        if stages := [name for name in self.only if "/" in name]:
            hint = f"name the job alone: {OPTION} {stages[0].partition('/')[0]}"
            raise InputError(
                "a Slurm job does all that is left of a job, not one stage of it", f"{OPTION} {stages[0]}", hint
            )
        site = read_site(self.site)
        limit = Slurm(array_limit=self.array_limit) if self.array_limit else Slurm()
        return [_settled(recipe, site, limit) for recipe in self.files.load()]

    def plans(self, recipes: Sequence[Recipe]) -> list[tuple[Plan, Plan]]:
        """Of each recipe the plan of what is wanted, and of all that its run's folder stands for.

        Raises:
            InputError: a plan cannot be made, or there is no such job.
        """
        seen: dict[str, str | None] = {}
        runs_dir = self.command.runs_dir
        everything = [make_plan(recipe, runs_dir, merge=self.merge, seen=seen) for recipe in recipes]
        refuse_same(everything)
        return [(plan, self._shown(plan, seen)) for plan in chosen(everything, self.only)]

    def _shown(self, plan: Plan, seen: dict[str, str | None]) -> Plan:
        full = whole(self.files, plan, seen)
        return replace(full, recipe=full.recipe.model_copy(update={"slurm": plan.recipe.slurm}))


def _settled(recipe: Recipe, site: Slurm, limit: Slurm) -> Recipe:
    settings = settings_of(limit, settings_of(recipe.slurm, site))
    if settings.template:
        settings = settings.model_copy(update={"template": str(Path(settings.template).absolute())})
    return recipe.model_copy(update={"slurm": settings})


@dataclass(frozen=True)
class Standing:
    """Where the jobs of a plan stand.

    Attributes:
        plan: theirs.
        shown: with all jobs that the run's folder stands for.
        done: names of the jobs that are done.
        queued: jobs that wait or run, each with Slurm's number and what squeue says.
        others: those of them that do something else than is wanted now: with other settings, or other data.
        owned: jobs that a process works on which is no job of Slurm's queue.
        left: those that can be submitted.
    """

    plan: Plan
    shown: Plan
    done: Collection[str]
    queued: dict[str, tuple[str, Queued]]
    others: Collection[str]
    owned: dict[str, Owner]
    left: Sequence[Job]

    @cached_property
    def recipe(self) -> Kept:
        """What its jobs run."""
        return kept(self.shown)

    def batches(self, command: Command, most: int = USUAL_ARRAY) -> list[Batch]:
        """What is to be submitted; ``most``: jobs of an array."""
        return list(batches_of(self.plan, self.left, self.recipe.file, command, most))


def standing(plan: Plan, shown: Plan, *, ask: bool) -> Standing:
    """Where the jobs of a plan stand now; ``ask``: Slurm, too, where something was submitted.

    Raises:
        InputError: Slurm does not answer.
    """
    entries = read_submitted(plan.folder)
    ours = [entries[job.name].id for job in plan.jobs if job.name in entries]
    waiting = client.queued(ours) if ask and ours else {}
    done: list[str] = []
    others: list[str] = []
    left: list[Job] = []
    queued: dict[str, tuple[str, Queued]] = {}
    owned: dict[str, Owner] = {}
    for job in plan.jobs:
        entry = entries.get(job.name)
        if job.done:  # though the end of its Slurm job may not be over
            done.append(job.name)
        elif entry and entry.id in waiting:
            queued[job.name] = entry.id, waiting[entry.id]
            if _differs(entry, job):
                others.append(job.name)
        elif owner := owner_of(plan.folder / job.name):
            owned[job.name] = owner
        else:
            left.append(job)
    return Standing(plan, shown, done, queued, others, owned, left)


def _differs(entry: Submitted, job: Job) -> bool:
    return entry.work != work_of(job)


def problems_of_others(found: Standing) -> list[Problem]:
    """What is wrong where jobs wait that do something else than is wanted now."""
    name = found.plan.recipe.name
    hint = f"cancel it first (python -m orchestrator cancel {name}), or give this one another name: --set name=..."
    return [
        Problem(
            f"{name} {job} waits or runs as Slurm job {found.queued[job][0]}, with other settings or data", "", hint
        )
        for job in found.others
    ]
