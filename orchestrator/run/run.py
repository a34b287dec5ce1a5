"""``run``: from recipe files to results CSVs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.benchmark.task import tasks as benchmark_tasks
from orchestrator.errors import InputError, Interrupted, Problem
from orchestrator.machine.locks import run_lock
from orchestrator.machine.signals import interruptible
from orchestrator.plan.devices import device_of
from orchestrator.plan.make import make_plan
from orchestrator.plan.pins import pin
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Data, Recipe
from orchestrator.run.rows import results_of

if TYPE_CHECKING:
    from orchestrator.cli.view import View


def load_recipes(
    files: Sequence[Path], tasks: Sequence[str], overrides: Sequence[str], limit: int | None
) -> list[Recipe]:
    """Load several recipes, all their problems at once.

    Raises:
        InputError: any of them is wrong, or two would write to the same place.
    """
    recipes: list[Recipe] = []
    problems: list[Problem] = []
    for file in files:
        try:
            recipe = load_recipe(file, overrides, tasks, limit)
        except InputError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            continue
        for other in recipes:
            if other.name == recipe.name:
                problems.append(
                    Problem(
                        f"the name `{recipe.name}` is also that of {other.source}",
                        str(file),
                        "both would write to the same folder: give one of them another `name`",
                    )
                )
        recipes.append(recipe)
    if problems:
        raise InputError(problems)
    return recipes


def unpack_videos(recipes: Sequence[Recipe]) -> None:
    """Unpack the published video archives that lie beside the data, once, where a recipe looks for the videos there.

    Raises:
        InputError: an archive is damaged or not safe to unpack.
    """
    for recipe in recipes:
        if recipe.modality != "video" or recipe.data.video_root != Data().video_root:
            continue
        from orchestrator.data.archives import ensure_videos
        from orchestrator.machine.meter import meter

        for name in recipe.tasks:
            ensure_videos(benchmark_tasks()[name], Path(recipe.data.root), meter(f"unpacking the videos of {name}"))


def run_recipes(
    files: Sequence[Path],
    tasks: Sequence[str],
    overrides: Sequence[str],
    limit: int | None,
    runs_dir: Path,
    results_dir: Path,
    *,
    merge: bool,
) -> int:
    """Run recipes one after another; returns the exit status.

    Raises:
        InputError: something is wrong with the input; nothing was launched.
        Interrupted: the user stopped the run.
    """
    from orchestrator.cli.view import make_view

    runs_dir, results_dir = runs_dir.expanduser(), results_dir.expanduser()
    recipes = load_recipes(files, tasks, overrides, limit)
    unpack_videos(recipes)  # before planning: a stage's key holds its videos' sizes
    seen: dict[str, str | None] = {}
    plans = [make_plan(recipe, runs_dir, merge=merge, seen=seen) for recipe in recipes]
    with interruptible(), ExitStack() as locks:
        for plan in plans:
            locks.enter_context(run_lock(plan.folder))
        if all(job.done for plan in plans for job in plan.jobs):
            print("everything is done already")
            failed = False
        else:
            view = make_view()
            _prepare(plans, results_dir, view)
            try:
                failed = _run([pin(plan, view.line) for plan in plans], view)
            except Interrupted:
                _report_all(files, plans, tasks, overrides, limit, results_dir)
                raise
        _report_all(files, plans, tasks, overrides, limit, results_dir)
    return 1 if failed else 0


def _prepare(plans: Sequence[Plan], results_dir: Path, view: View) -> None:
    """Check everything, then build the environments that are missing.

    Raises:
        InputError: all that is wrong with the input.
    """
    from orchestrator.plan import preflight

    problems: list[Problem] = []
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problems.append(Problem(f"cannot be made: {error.strerror}", str(results_dir), "give another --results-dir"))
    for plan in plans:
        problems += [problem for problem in preflight.problems_of(plan, say=view.line) if problem not in problems]
    if problems:
        raise InputError(problems)
    for environment in {plan.toolkit.environment.name: plan.toolkit.environment for plan in plans}.values():
        if environment.state() != "ready":
            log = environment.folder / "build.log"
            view.line(f"building the environment of {environment.name}: once, some minutes and gigabytes ({log})")
            environment.build(log)


def _run(plans: Sequence[Plan], view: View) -> bool:
    """Run what is not done; returns whether a stage failed."""
    from orchestrator.run.schedule import run_plans

    failures = []
    try:
        for device in ("cpu", "cuda"):
            chosen = [plan for plan in plans if device_of(plan) == device]
            if chosen:
                failures += run_plans(chosen, device, view)
    except Interrupted as error:
        raise Interrupted(f"{error}; nothing is left running, the same command goes on from here") from None
    finally:
        view.close()
    if failures:
        names = ", ".join(f"{stage.folder.parent.parent.name} {stage.name}" for stage, _ in failures)
        print(f"failed: {names} (the reason is above; what is done stays done)", file=sys.stderr)
    return bool(failures)


def _report_all(
    files: Sequence[Path],
    plans: Sequence[Plan],
    tasks: Sequence[str],
    overrides: Sequence[str],
    limit: int | None,
    results_dir: Path,
) -> None:
    """Write and show the results of each plan; of sft, those of tasks that an earlier command did, too."""
    for file, plan in zip(files, plans, strict=True):
        whole = plan
        if tasks and plan.recipe.method == "sft":
            own = load_recipe(file, overrides, (), limit).tasks
            everything = [*own, *(task for task in plan.recipe.tasks if task not in own)]
            whole = make_plan(load_recipe(file, overrides, everything, limit), plan.folder.parent)
        _report(whole, results_dir)


def _report(plan: Plan, results_dir: Path) -> None:
    """Write the results CSV of what is done, and show it."""
    from orchestrator.scores.results import OVERALL, read_results, results_table, rich_table, write_results

    rows = results_of(plan)
    if not rows:
        return
    path = results_dir / f"{plan.recipe.name}.csv"
    if path.exists():
        try:
            old = {(row["task"], row["run_id"]) for row in read_results(path) if row["task"] != OVERALL}
        except InputError:
            old = {("", "unreadable")}
        if not old <= {(row["task"], row["run_id"]) for row in rows}:
            # results of other settings are somebody's days of GPU time: never overwritten
            stem = f"{path.stem}.{max(str(run) for _, run in old)}"
            names = (path.with_name(f"{stem}{number}.csv") for number in ("", *(f"-{n}" for n in range(2, 10_000))))
            aside = next(name for name in names if not name.exists())
            path.rename(aside)
            print(f"{path} held results of other settings: they are now in {aside}")
    write_results(path, rows)
    if sys.stdout.isatty():
        from rich.console import Console

        console, table = Console(), rich_table(rows)
        if console.measure(table).maximum <= console.width:
            console.print(table)
        else:
            print(results_table(rows))  # a cropped number would be a wrong number
    else:
        print(results_table(rows))
    print(f"results: {path}")
