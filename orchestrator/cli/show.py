"""Commands that show and run nothing: ``plan``, ``validate``, ``show``, ``score``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import SPLITS, task_named
from orchestrator.errors import InputError, Problem, one_of
from orchestrator.plan import commands, preflight
from orchestrator.plan import overview as plan_table
from orchestrator.plan.devices import device_of, inference_processes, machine_problems
from orchestrator.plan.make import make_plan
from orchestrator.plan.pins import pinned
from orchestrator.plan.plan import Plan, Stage
from orchestrator.prompts.examples import Example, examples_of, system_of, wording_of
from orchestrator.recipe.load import RecipeFiles, load_recipe
from orchestrator.recipe.schema import recipe_schema
from orchestrator.run.prepare import unpack_videos


def print_plans(
    asked: RecipeFiles,
    runs_dir: Path,
    *,
    merge: bool,
    files_too: bool = False,
    as_json: bool,
) -> None:
    """Print the stages of a recipe with their exact commands and what is done already; several recipes as a table."""
    recipes = asked.load()
    seen: dict[str, str | None] = {}
    plans = [pinned(make_plan(recipe, runs_dir, merge=merge, seen=seen)) for recipe in recipes]
    if as_json:
        print(json.dumps([_plan_data(plan) for plan in plans], ensure_ascii=False, indent=2))
        return
    if len(plans) > 1 and not files_too:
        print(plan_table.table(plans))
        print("One recipe alone, or --files, shows the stages and their commands.")
        return
    for plan in plans:
        recipe = plan.recipe
        stages = list(plan.stages)
        wanted = {stage for job in plan.jobs for stage in job.todo()}
        done = len(stages) - len(wanted)
        print(
            f"{recipe.name}: {recipe.method} of {recipe.model.name} ({recipe.model.toolkit}, "
            f"{device_of(plan)}), {_count(len(plan.jobs), 'job')}, {_count(len(stages), 'stage')} "
            f"({done} done), {_count(plan_table.loads(plan), 'model load')}"
        )
        for stage in stages:
            print(f"  {'to do' if stage in wanted else 'done':5}  {stage.name:<28} {stage.folder}")
            command = commands.command_of(plan, stage, device_of(plan))
            if command is None or stage not in wanted:
                continue
            processes = inference_processes(recipe, device_of(plan)) if stage.kind == "infer" else 1
            if processes > 1:
                print(f"         {processes} processes share the requests; the first of them:")
            added = " ".join(f"{name}={shlex.quote(value)}" for name, value in command.env.items())
            print(f"         cd {stage.folder} && {added} {shlex.join(command.argv)}")
            if files_too:
                for name, text in command.files.items():
                    print(f"         {name}:")
                    print("".join(f"           {line}\n" for line in text.splitlines()), end="")


def _plan_data(plan: Plan) -> dict[str, Any]:
    device = device_of(plan)
    wanted = {stage for job in plan.jobs for stage in job.todo()}

    def stage_data(stage: Stage) -> dict[str, Any]:
        command = commands.command_of(plan, stage, device)
        return {
            "stage": stage.kind,
            "key": stage.key,
            "folder": str(stage.folder),
            "done": stage not in wanted,
            "argv": list(command.argv) if command else [],
            "env": dict(command.env) if command else {},
            "files": dict(command.files) if command else {},
        }

    return {
        "recipe": plan.recipe.name,
        "device": device,
        "gpus": plan_table.gpus(plan),
        "loads": plan_table.loads(plan),
        "jobs": [
            {
                "job": job.name,
                "tasks": [task.name for task in job.tasks],
                "stages": [stage_data(stage) for stage in job.stages],
            }
            for job in plan.jobs
        ],
    }


def validate_recipes(asked: RecipeFiles, runs_dir: Path) -> None:
    """Check recipes with their data, prompts and videos; print one prompt per task, two where training differs.

    Raises:
        InputError: anything is wrong, all of it at once.
    """
    problems: list[Problem] = []
    shown: set[tuple[str, ...]] = set()
    recipes = asked.load()
    unpack_videos(recipes)
    for recipe in recipes:
        plan = make_plan(recipe, runs_dir)
        found = preflight.problems_of(plan, everything=True, say=print)
        problems += [problem for problem in found if problem not in problems]
        for problem in machine_problems(plan):
            print(f"note: {problem.message}")
        if found:
            continue
        for job in plan.jobs:
            for task in job.tasks:
                split = recipe.inference.split
                example = next(examples_of(recipe, task, split))
                _print_example(f"{task.name}, {split}", example, recipe.prompt.history, shown)
                wording = wording_of(recipe, task, "train", training=True)
                if recipe.train and wording.example(example.sample, system_of(recipe, training=True)) != example:
                    first = next(examples_of(recipe, task, "train", training=True))
                    _print_example(f"{task.name}, training", first, (), shown)
        if recipe.released and recipe.released.note:
            print(f"note: {recipe.released.note}")
        print(f"{recipe.source}: good ({_count(len(plan.jobs), 'job')}, {_count(len(recipe.tasks), 'task')})")
    if problems:
        raise InputError(problems)


def _print_example(
    title: str, example: Example, history: Sequence[tuple[str, str]], shown: set[tuple[str, ...]]
) -> None:
    """Print what is asked and answered, unless the same was printed before."""
    lines = [f"system: {example.system}"] if example.system is not None else []
    lines += [f"{who}: {text}" for turn in history for who, text in zip(("user", "assistant"), turn, strict=True)]
    lines += [example.prompt, f"=> {example.answer}"]
    if (title, *lines) not in shown:
        shown.add((title, *lines))
        print("\n".join([f"--- {title}, {example.sample.id}", *lines]), end="\n\n")


def show_recipe(file: Path | None, overrides: Sequence[str], *, schema: bool, as_json: bool) -> None:
    """Print a recipe fully resolved, or the JSON Schema of recipe files.

    Raises:
        InputError: the recipe is wrong, or none was given.
    """
    if schema:
        print(json.dumps(recipe_schema(), indent=2))
        return
    if file is None:
        raise InputError(Problem("no recipe given", hint="python -m orchestrator show RECIPE, or show --schema"))
    resolved = load_recipe(file, overrides).resolved()
    if as_json:
        print(json.dumps(resolved, ensure_ascii=False, indent=2))
        return
    import yaml

    print(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), end="")


def print_score(
    files: Sequence[Path],
    task_names: Sequence[str],
    split: str,
    label_column: str | None,
    answer_column: str | None,
    *,
    as_json: bool,
) -> None:
    """Score files of answers and print a row for each task, behind several the overall score.

    Raises:
        InputError: a task is unknown or a file cannot be read so.
    """
    from orchestrator.scores.files import score_files
    from orchestrator.scores.results import MAJORITY, results_table

    one_of("split", split, SPLITS)
    found = score_files(files, [task_named(name) for name in task_names], split, label_column, answer_column)
    for scored in found:
        for note in scored.notes:
            print(f"note: {note}", file=sys.stderr)
    if as_json:
        for scored in found:
            print(json.dumps(scored.row, ensure_ascii=False))
    else:
        print(results_table([scored.row | {MAJORITY: scored.scores.majority} for scored in found]))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
