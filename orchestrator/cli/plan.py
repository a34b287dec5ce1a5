"""``plan``: the stages of a recipe with their exact commands, several recipes as a table."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.cli.table import counted, table, wrapped
from orchestrator.plan.commands import command_of
from orchestrator.plan.devices import device_of, inference_processes
from orchestrator.plan.make import make_plan
from orchestrator.plan.only import chosen, unmet
from orchestrator.plan.overview import PlanRow, gpus, loads, row_of, total_of
from orchestrator.plan.pins import pinned
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.same import refuse_same
from orchestrator.plan.why import Again, again, notes, version_notes
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run import RUNS
from orchestrator.toolkits.base import Command

TITLES = {"gpus": "GPUs", "released_loads": "released loads", "merged_tb": "merged TB"}
NUMBERS = ("jobs", "stages", "done", "loads", *TITLES.values())


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
    if as_json:
        print(json.dumps([_plan_data(plan) for plan in plans], ensure_ascii=False, indent=2))
    elif len(plans) > 1 and not with_files:
        print(overview_table([row_of(plan) for plan in plans]))
        for note in (note for plan in plans for note in notes(plan)):
            print(wrapped(note, "note: "))
        print("One recipe alone, or --files, shows the stages and their commands.")
    else:
        for plan in plans:
            _print_plan(plan, with_files=with_files)
    if not as_json:
        options = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
        for problem in unmet(plans, files, options):
            print(f"note: {problem.message}\n    {problem.hint}")


def overview_table(rows: Sequence[PlanRow]) -> str:
    """The plans as lines of text, and their sum; the sum of our loads beside the release's covers the same rows."""
    total = total_of(rows)
    head, *lines, last = table([_cells(row) for row in (*rows, total)], right=NUMBERS).splitlines()
    rule = "-" * max(map(len, (head, *lines, last)))
    text = [
        head, rule, *lines, rule, last,
        "loads: how often the model is loaded. released: what the benchmark's own scripts do for the same, and the",
        "merged weights that they write; empty where there is no script. GPUs: the most that one stage needs.",
    ]  # fmt: skip
    both = [row for row in rows if row.released_loads is not None]
    if 0 < len(both) < len(rows):
        text.append(f"Where there are both: {sum(row.loads for row in both)} loads here, {total.released_loads} there.")
    return "\n".join(text)


def _cells(row: PlanRow) -> dict[str, Any]:
    cells = asdict(row) | {"merged_tb": f"{row.merged_tb:.2f}" if row.merged_tb else ""}
    return {TITLES.get(name, name): value for name, value in cells.items()}


def _wanted(plan: Plan) -> set[Stage]:
    return {stage for job in plan.jobs for stage in job.todo()}


def _before(plan: Plan, wanted: Set[Stage]) -> dict[Stage, Again]:
    return {one.stage: one for job in plan.jobs for one in again(job, wanted)}


def _print_plan(plan: Plan, *, with_files: bool) -> None:
    recipe, device, wanted, stages = plan.recipe, device_of(plan), _wanted(plan), list(plan.stages)
    print(
        f"{recipe.name}: {recipe.method} of {recipe.model.name} ({recipe.model.toolkit}, {device}), "
        f"{counted(len(plan.jobs), 'job')}, {counted(len(stages), 'stage')} ({len(stages) - len(wanted)} done), "
        f"{counted(loads(plan), 'model load')}"
    )
    for note in version_notes(plan):
        print(wrapped(note, "note: "))
    before = _before(plan, wanted)
    for stage in stages:
        print(f"  {'to do' if stage in wanted else 'done':5}  {stage.name:<28} {stage.folder}")
        if stage in before and before[stage].reasons:
            print(wrapped("; ".join(before[stage].reasons), "         why: "))
        command = command_of(plan, stage, device) if stage in wanted else None
        if command is None:
            continue
        processes = inference_processes(recipe, device) if stage.kind == "infer" else 1
        if processes > 1:
            print(f"         {processes} processes share the requests; the first of them:")
        added = " ".join(f"{name}={shlex.quote(value)}" for name, value in command.env.items())
        print(f"         cd {stage.folder} && {added} {shlex.join(command.argv)}")
        for name, text in command.files.items() if with_files else ():
            print(f"         {name}:")
            print("".join(f"           {line}\n" for line in text.splitlines()), end="")


def _again_data(one: Again) -> dict[str, Any]:
    return {"instead_of": str(one.folder), "made_by": one.version or "this version", "why": list(one.reasons)}


def _plan_data(plan: Plan) -> dict[str, Any]:
    device, wanted = device_of(plan), _wanted(plan)
    before = _before(plan, wanted)

    def stage_data(stage: Stage) -> dict[str, Any]:
        command = command_of(plan, stage, device) or Command(())
        started = {"argv": list(command.argv), "env": dict(command.env), "files": dict(command.files)}
        done = stage not in wanted
        found = {"stage": stage.kind, "key": stage.key, "folder": str(stage.folder), "done": done, **started}
        return found | ({"again": _again_data(before[stage])} if stage in before else {})

    def job_data(job: Job) -> dict[str, Any]:
        tasks = [task.name for task in job.tasks]
        return {"job": job.name, "tasks": tasks, "stages": [stage_data(stage) for stage in job.stages]}

    numbers = {"gpus": gpus(plan), "loads": loads(plan)}
    return {"recipe": plan.recipe.name, "device": device, **numbers, "jobs": [job_data(job) for job in plan.jobs]}
