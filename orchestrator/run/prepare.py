"""What is done before anything is launched: data unpacked, everything checked, environments built."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.benchmark.task import tasks as benchmark_tasks
from orchestrator.data.forms import VIDEO_ROOT
from orchestrator.environments.build import build
from orchestrator.errors import InputError, Problem
from orchestrator.plan.plan import Plan
from orchestrator.recipe.recipe import Recipe
from orchestrator.run.listener import Listener


def unpack_videos(recipes: Sequence[Recipe]) -> None:
    """Unpack the published video archives that lie beside the data, once, where a recipe looks for the videos there.

    Raises:
        InputError: an archive is damaged or not safe to unpack.
    """
    for recipe in recipes:
        if recipe.modality != "video" or recipe.data.video_root != VIDEO_ROOT:
            continue
        from orchestrator.data.archives import ensure_videos
        from orchestrator.machine.meter import meter

        for name in recipe.tasks:
            ensure_videos(benchmark_tasks()[name], Path(recipe.data.root), meter(f"unpacking the videos of {name}"))


def prepare(plans: Sequence[Plan], results_dir: Path, listener: Listener) -> None:
    """Check everything, then build the environments that are missing.

    Raises:
        InputError: all that is wrong with the input.
        StageError: an environment could not be built.
    """
    from orchestrator.plan.preflight import problems_of  # a run that is done needs none of it

    problems: list[Problem] = []
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        wrong = "" if os.access(results_dir, os.W_OK) else "cannot be written"
    except OSError as error:
        wrong = f"cannot be made: {error.strerror}"
    if wrong:
        problems.append(Problem(wrong, str(results_dir), "give another --results-dir"))
    for plan in plans:
        problems += [problem for problem in problems_of(plan, say=listener.line) if problem not in problems]
    if problems:
        raise InputError(problems)
    for environment in {plan.toolkit.environment.name: plan.toolkit.environment for plan in plans}.values():
        if environment.state() != "ready":
            log = environment.folder / "build.log"
            listener.line(f"building the environment of {environment.name}: once, some minutes and gigabytes ({log})")
            build(environment, log)
