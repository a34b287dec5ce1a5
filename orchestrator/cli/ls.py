"""``ls``: the tasks, the models, the recipes and the runs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.benchmark.model import model_problems, models
from orchestrator.benchmark.task import OWN, SPLITS, Tasks, tasks
from orchestrator.cli.run_folders import run_folders
from orchestrator.cli.stages_on_disk import stages_on_disk, state_of_run
from orchestrator.cli.table import print_rows, tell
from orchestrator.errors import InputError, one_of
from orchestrator.machine.checkout import RECIPES
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.sections import Data

Rows = list[dict[str, Any]]


def print_list(what: str, runs_dir: Path, data_root: Path | None, *, as_json: bool) -> None:
    """Print the tasks, the models, the recipes or the runs.

    Raises:
        InputError: it is none of these.
    """
    known = tasks(data_root or Path(Data().root))
    lists: dict[str, Callable[[], Rows]] = {"tasks": partial(_tasks, known), "models": _models, "recipes": _recipes}
    lists["runs"] = partial(_runs, runs_dir)
    print_rows(lists[one_of("list", what, tuple(lists))](), as_json=as_json)
    for problem in {"tasks": known.problems, "models": model_problems}.get(what, list)():
        tell(f"note: {problem}", file=sys.stderr)


def _tasks(known: Tasks) -> Rows:
    return [
        {"task": task.name, "dimension": task.dimension, "labels": len(task.labels), "language": task.language}
        | {split: task.sizes.get(split) for split in SPLITS}
        | {"benchmark": task.benchmark, "file": task.place if task.benchmark == OWN else None, "licence": task.licence}
        for task in known.values()
    ]


def _models() -> Rows:
    return [
        {
            "model": name,
            "benchmark": model.benchmark,
            "name": model.name,
            "type": model.type,
            "params_b": model.params_b,
        }
        | {"gpus": model.gpus, "toolkit": model.toolkit, "path": model.path or "made from scratch"}
        for name, model in models().items()
    ]


def _recipes() -> Rows:
    rows = []
    benchmarks = {model.name: model.benchmark for model in models().values()}
    for file in sorted(RECIPES.glob("*.yaml")):
        cells: tuple[Any, ...]
        try:
            recipe = load_recipe(file)
            benchmark = benchmarks.get(recipe.model.name)
            cells = (os.path.relpath(file), recipe.model.name, benchmark, recipe.method, len(recipe.tasks))
            cells += (recipe.description,)
        except InputError as error:
            cells = (str(file), "", "", "", "", f"wrong: {error}")
        rows.append(dict(zip(("recipe", "model", "benchmark", "method", "tasks", "about"), cells, strict=True)))
    return rows


def _runs(runs_dir: Path) -> Rows:
    rows = []
    for name, folder in run_folders(runs_dir).items():
        states = Counter(stage.state for stage in stages_on_disk(folder))
        stages = ", ".join(f"{count} {state}" for state, count in states.items()) or "none"
        rows.append({"run": name, "now": state_of_run(folder), "stages": stages, "folder": str(folder)})
    return rows
