"""A part of plans: some jobs, or some stages of jobs, by the names that ``--only`` takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from orchestrator.benchmark.task import Task
from orchestrator.errors import InputError, Problem, unknown
from orchestrator.plan.make import job_tasks
from orchestrator.plan.outputs import OUTPUTS
from orchestrator.plan.plan import LARGE, TRAIN_SPLITS, Job, Plan, Stage
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.recipe import Recipe

OPTION = "--only"


def chosen(plans: Sequence[Plan], names: Sequence[str]) -> list[Plan]:
    """What of some plans is chosen; a plan without any of it is left out.

    Args:
        plans: whole ones.
        names: ``<job>``, or ``<job>/<stage>`` for that stage alone; without any, everything is chosen.

    Raises:
        InputError: no plan has a job, or a stage, of such a name.
    """
    if not names:
        return list(plans)
    jobs = [job for plan in plans for job in plan.jobs]
    if problems := [problem for name in dict.fromkeys(names) for problem in _unknown(name, jobs)]:
        raise InputError(problems)
    found = [replace(plan, jobs=tuple(filter(None, (_part(job, names) for job in plan.jobs)))) for plan in plans]
    return [plan for plan in found if plan.jobs]


def tasks_of(recipe: Recipe, names: Sequence[str]) -> list[Task]:
    """The tasks that a part of a recipe's plan is about."""
    jobs = {name.partition("/")[0] for name in names}
    return [task for job, group in job_tasks(recipe).items() if job in jobs or not names for task in group]


def splits_of(job: Job) -> list[str]:
    """The splits that a job reads; of a part, those that what is left of it reads."""
    recipe = job.recipe
    split, compared = recipe.inference.split, recipe.select.strategy == "dev_accuracy"
    every = list(dict.fromkeys([*(TRAIN_SPLITS if recipe.train else ()), split]))
    if not job.partial:
        return every
    reads: dict[str, tuple[str, ...]] = {
        "init": ("train",),
        "convert": TRAIN_SPLITS,
        "train": TRAIN_SPLITS,
        "select": ("dev",) if compared else (),
        "infer": (split,),
        "score": (split,),
    }
    read = {one for stage in job.todo() for one in reads.get(stage.kind, ())}
    return [one for one in every if one in read]


def unmet(plans: Sequence[Plan], asked: RecipeFiles, options: Sequence[str] = ()) -> list[Problem]:
    """What parts need and neither hold nor find done, each with the command that does it.

    Args:
        plans: parts.
        asked: the recipes that they are of.
        options: further words of the command.
    """
    found = []
    for plan in plans:
        for job in (job for job in plan.jobs if job.partial):
            if lacking := _undone(job.todo()) - set(job.stages):
                only = [word for name in _names(lacking | _undone(lacking)) for word in (OPTION, name)]
                file = str(plan.recipe.source)
                command = ["python", "-m", "orchestrator", "run", file, *asked.options(), *options, *only]
                names, before = " and ".join(_names(job.todo())), ", ".join(_names(lacking))
                message = f"{names} cannot begin: {before} must be done before"
                found.append(Problem(message, file, f"do it first: {shlex.join(command)}"))
    return list(dict.fromkeys(found))  # the same of all combinations of a sweep


def _part(job: Job, names: Sequence[str]) -> Job | None:
    if job.name in names:
        return job
    stages = tuple(stage for stage in job.stages if stage.name in names)
    return replace(job, stages=stages, partial=True) if stages else None


def _unknown(name: str, jobs: Sequence[Job]) -> Iterator[Problem]:
    """Why a name chooses nothing of some jobs."""
    wanted, slash, kind = name.partition("/")
    named = [job for job in jobs if job.name == wanted]
    where = f"{OPTION} {name}"
    if not named:
        known = list(dict.fromkeys(job.name for job in jobs))
        problem = unknown("job", wanted, known, where)
        hint = problem.hint if "known: " in problem.hint else f"{problem.hint} The jobs: {', '.join(known)}"
        more = f"; a stage is named with its job, e.g. {known[0]}/{wanted}" if wanted in OUTPUTS else ""
        yield replace(problem, hint=hint + more)
    elif slash and not any(stage.kind == kind for job in named for stage in job.stages):
        kinds = dict.fromkeys(stage.kind for job in named for stage in job.stages)
        problem = unknown(f"stage of {wanted}", kind, kinds, where)
        if kind == "merge":
            lora = any(job.recipe.train and job.recipe.train.finetuning == "lora" for job in named)
            problem = replace(problem, hint="add --merge" if lora else "only adapters are merged, of finetuning: lora")
        yield problem


def _undone(stages: Iterable[Stage]) -> set[Stage]:
    """What some stages need, and what that needs, as far as it is not done."""
    needs = {
        need
        for stage in stages
        for need in stage.needs
        # scores are made from the answers alone
        if (stage.kind != "score" or need.kind not in LARGE) and not need.done
    }
    return needs | _undone(needs) if needs else needs


def _names(stages: Iterable[Stage]) -> list[str]:
    """Their names, in the order in which a job runs them."""
    return [stage.name for stage in sorted(stages, key=lambda stage: list(OUTPUTS).index(stage.kind))]
