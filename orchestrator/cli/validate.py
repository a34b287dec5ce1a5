"""``validate``: what is wrong with recipes and their data, and a prompt of each task to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.benchmark.task import Task
from orchestrator.cli.table import counted, tell
from orchestrator.errors import InputError, Problem
from orchestrator.plan.devices import machine_problems
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.plan.preflight import problems_of
from orchestrator.plan.same import refuse_same
from orchestrator.plan.survey import Rows
from orchestrator.prompts.examples import Example, examples_of, system_of, wording_of
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.recipe import Recipe
from orchestrator.run.prepare import unpack_videos


def validate_recipes(files: RecipeFiles, runs_dir: Path) -> None:
    """Check recipes with their data, prompts and videos; print one prompt per task, two where training differs.

    Raises:
        InputError: anything is wrong, all of it at once.
    """
    problems: list[Problem] = []
    plans: list[Plan] = []
    said: set[str] = set()

    def note(text: str) -> None:  # the same is said of all combinations of a sweep
        if text not in said:
            tell(f"note: {text}")
        said.add(text)

    rows: Rows = {}
    shown: set[tuple[str, str]] = set()
    recipes = files.load()
    unpack_videos(recipes)
    for recipe in recipes:
        try:
            plan = make_plan(recipe, runs_dir)
        except InputError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            continue
        plans.append(plan)
        found = problems_of(plan, everything=True, say=note, rows=rows)
        problems += [problem for problem in found if problem not in problems]
        for problem in machine_problems(plan):
            note(problem.message)
        if found:
            continue
        for task in (task for job in plan.jobs for task in job.tasks):
            for title, example, history in _examples(recipe, task):
                text = _text(example, history)
                if (title, text) not in shown:
                    shown.add((title, text))
                    tell(f"--- {title}, {example.sample.id}\n{text}\n")
        if recipe.released and recipe.released.note:
            note(recipe.released.note)
        what = f"{recipe.source}, {recipe.name}" if recipe.swept else recipe.source
        tell(f"{what}: good ({counted(len(plan.jobs), 'job')}, {counted(len(recipe.tasks), 'task')})")
    try:
        refuse_same(plans)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)


def _examples(recipe: Recipe, task: Task) -> Iterator[tuple[str, Example, Sequence[tuple[str, str]]]]:
    """A title, an example and the turns before it: as in inference and, where it differs, as in training."""
    split = recipe.inference.split
    example = next(examples_of(recipe, task, split))
    yield f"{task.name}, {split}", example, recipe.prompt.history
    wording = wording_of(recipe, task, "train", training=True)
    if recipe.train and wording.example(example.sample, system_of(recipe, training=True)) != example:
        yield f"{task.name}, training", next(examples_of(recipe, task, "train", training=True)), ()


def _text(example: Example, history: Sequence[tuple[str, str]]) -> str:
    """What is asked and answered."""
    lines = [f"system: {example.system}"] if example.system is not None else []
    lines += [f"{who}: {text}" for turn in history for who, text in zip(("user", "assistant"), turn, strict=True)]
    return "\n".join([*lines, example.prompt, f"=> {example.answer}"])
