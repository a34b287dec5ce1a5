"""``plan``: the stages of a recipe with their exact commands, several recipes as a table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from orchestrator.cli.plan_needs import billed, figures, need_data, said, whole
from orchestrator.cli.table import counted, json_text, table, tell, wrapped
from orchestrator.errors import InputError
from orchestrator.plan.commands import command_of
from orchestrator.plan.devices import device_of, inference_processes
from orchestrator.plan.forecast import Need, needs_of
from orchestrator.plan.known import Known
from orchestrator.plan.make import make_plan
from orchestrator.plan.models import model_problems
from orchestrator.plan.only import chosen, unmet
from orchestrator.plan.overview import PlanRow, loads, row_of, total_of
from orchestrator.plan.pins import pinned
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.same import refuse_same
from orchestrator.plan.why import Again, again, notes, version_notes
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run import RUNS
from orchestrator.toolkits.base import Command

NUMBERS = ("jobs", "done", "loads", "GPUs", "GPU h", "disk GB", "released")


def print_plans(
    files: RecipeFiles, runs_dir: Path, only: Sequence[str], *, merge: bool, with_files: bool, as_json: bool
) -> None:
    """Print the stages of a recipe with their exact commands and what is done already; several recipes as a table.

    Raises:
        InputError: a recipe or its data is wrong, or there is no such part of it.
    """
    seen: dict[str, str | None] = {}
    everything = [make_plan(recipe, runs_dir, merge=merge, seen=seen) for recipe in files.load()]
    refuse_same(everything)
    plans = [pinned(plan) for plan in chosen(everything, only)]
    if problems := model_problems(plans):
        raise InputError(problems)
    known = Known.read(runs_dir)
    needs = [needs_of(plan, known) for plan in plans]
    each = list(zip(plans, needs, strict=True))
    if as_json:
        tell(json_text([_plan_data(plan, need) for plan, need in each]))
    elif len(plans) > 1 and not with_files:
        tell(overview_table([row_of(plan, need) for plan, need in each]))
        tell("\n".join(whole(needs, runs_dir)))
        for note in (note for plan in plans for note in notes(plan)):
            tell(wrapped(note, "note: "))
        tell("One recipe alone, or --files, shows the stages and their commands.")
    else:
        for plan, need in each:
            _print_plan(plan, need, with_files=with_files)
        tell("\n".join(whole(needs, runs_dir)))
    if not as_json:
        options = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
        for problem in unmet(plans, files, options):
            tell(f"note: {problem.message}\n    {problem.hint}")


def overview_table(rows: Sequence[PlanRow]) -> str:
    """The plans as lines of text, and their sum; the sum of our loads beside the release's covers the same rows."""
    total = total_of(rows)
    head, *lines, last = table([_cells(row) for row in (*rows, total)], right=NUMBERS).splitlines()
    rule = "-" * max(map(len, (head, *lines, last)))
    text = [
        head, rule, *lines, rule, last,
        "done: stages. loads: how often the model is loaded; released: in the benchmark's",
        "own scripts, empty where it has none. GPUs: the most that one stage needs.",
        "GPU h, disk GB: of what is left.",
    ]  # fmt: skip
    both = [row for row in rows if row.released_loads is not None]
    if both:
        sums = f"{sum(row.loads for row in both)} loads here, {total.released_loads} there"
        merged = f", and {total.merged_tb:.2f} TB of merged weights" if total.merged_tb else ""
        text.append(wrapped(f"{sums}{merged}.", "Where there are both: " if len(both) < len(rows) else ""))
    return "\n".join(text)


def _cells(row: PlanRow) -> dict[str, Any]:
    return {
        "recipe": row.recipe,
        "jobs": row.jobs,
        "done": f"{row.done}/{row.stages}",
        "loads": row.loads,
        "GPUs": row.gpus,
        **figures(row.gpu_hours, row.disk_bytes),
        "released": row.released_loads,
    }


def _before(plan: Plan, wanted: Set[Stage]) -> dict[Stage, Again]:
    return {one.stage: one for job in plan.jobs for one in again(job, wanted)}


def _print_plan(plan: Plan, needs: Sequence[Need], *, with_files: bool) -> None:
    recipe, device, stages = plan.recipe, device_of(plan), list(plan.stages)
    wanted = {need.stage: need for need in needs}
    tell(
        f"{recipe.name}: {recipe.method} of {recipe.model.name} ({recipe.model.toolkit}, {device}), "
        f"{counted(len(plan.jobs), 'job')}, {counted(len(stages), 'stage')} ({len(stages) - len(wanted)} done), "
        f"{counted(loads(plan), 'model load')}"
    )
    for note in version_notes(plan):
        tell(wrapped(note, "note: "))
    before = _before(plan, wanted.keys())
    for stage in stages:
        tell(f"  {'to do' if stage in wanted else 'done':5}  {stage.name:<28} {stage.folder}")
        if stage in before and before[stage].reasons:
            tell(wrapped("; ".join(before[stage].reasons), "         why: "))
        if stage in wanted and (takes := said(wanted[stage])):
            tell(f"         takes {takes}")
        if stage in wanted and (bill := wanted[stage].bill):
            tell(wrapped(billed(bill), "         "))
        command = command_of(plan, stage, device) if stage in wanted else None
        if command is None:
            continue
        processes = inference_processes(recipe, device) if stage.kind == "infer" else 1
        if processes > 1:
            tell(f"         {processes} processes share the requests; the first of them:")
        if command.nodes > 1:
            tell(f"         srun starts it once on each of {command.nodes} nodes, and tells them where they meet:")
        added = " ".join(f"{name}={shlex.quote(value)}" for name, value in command.env.items())
        tell(f"         cd {stage.folder} && {added} {shlex.join(command.argv)}")
        for name, text in command.files.items() if with_files else ():
            tell(f"         {name}:")
            tell("".join(f"           {line}\n" for line in text.splitlines()), end="")


def _again_data(one: Again) -> dict[str, Any]:
    return {"instead_of": str(one.folder), "made_by": one.version or "this version", "why": list(one.reasons)}


def _plan_data(plan: Plan, needs: Sequence[Need]) -> dict[str, Any]:
    device, wanted = device_of(plan), {need.stage: need for need in needs}
    before = _before(plan, wanted.keys())

    def stage_data(stage: Stage) -> dict[str, Any]:
        command = command_of(plan, stage, device) or Command(())
        started = {"argv": list(command.argv), "env": dict(command.env), "files": dict(command.files)}
        done = stage not in wanted
        found = {"stage": stage.kind, "key": stage.key, "folder": str(stage.folder), "done": done, **started}
        found |= need_data(wanted.get(stage))
        return found | ({"again": _again_data(before[stage])} if stage in before else {})

    def job_data(job: Job) -> dict[str, Any]:
        tasks = [task.name for task in job.tasks]
        return {"job": job.name, "tasks": tasks, "stages": [stage_data(stage) for stage in job.stages]}

    row = row_of(plan, needs)
    numbers = {"gpus": row.gpus, "loads": row.loads, "gpu_hours": row.gpu_hours, "disk_bytes": row.disk_bytes}
    return {"recipe": plan.recipe.name, "device": device, **numbers, "jobs": [job_data(job) for job in plan.jobs]}
