"""What is done before anything is launched: data unpacked, everything checked, environments built."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.data.forms import VIDEO_ROOT
from orchestrator.environments.build import build
from orchestrator.errors import InputError, OrchestratorError, Problem, visible
from orchestrator.launch.diagnose import known_failures
from orchestrator.machine.files import atomic_write
from orchestrator.plan.devices import LOADS
from orchestrator.plan.only import tasks_of
from orchestrator.plan.plan import Plan
from orchestrator.plan.survey import Rows
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.resolved import written
from orchestrator.run import RECIPE
from orchestrator.run.listener import Listener
from orchestrator.run.report import results_name
from orchestrator.scores.answer_file import SUFFIX
from orchestrator.toolkits.base import Say

RESULTS_BYTES = 1 << 18  # what a results folder must have room for


def unpack_videos(recipes: Sequence[Recipe], only: Sequence[str] = ()) -> None:
    """Unpack the published video archives that lie beside the data, once, where a recipe looks for the videos there.

    Args:
        recipes: whose tasks' videos are wanted.
        only: of these the tasks of a part, see `plan.only.chosen`.

    Raises:
        InputError: an archive is damaged or not safe to unpack.
    """
    for recipe in recipes:
        if not recipe.shows_clips or recipe.data.video_root != VIDEO_ROOT:
            continue
        from orchestrator.data.archives import ensure_videos
        from orchestrator.machine.meter import Meter

        for task in tasks_of(recipe, only):
            with Meter(f"unpacking the videos of {task.name} (bytes)") as meter:
                ensure_videos(task, Path(recipe.data.root), meter)


def keep_recipes(plans: Sequence[Plan], asked: RecipeFiles, say: Say) -> None:
    """Keep each recipe beside its run, fully resolved, so that the run can be repeated whatever became of its file.

    One that says what it said stays, and with it who wrote it when. Where the disk refuses it, the run goes on without.
    """
    changes = f" {shlex.join(asked.options())}" if asked.options() else ""
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    for plan in plans:
        file, recipe = plan.folder / RECIPE, plan.recipe
        body = written(recipe, plan.folder)
        source = recipe.source.absolute() if recipe.source else recipe.name
        origin = visible(f"{source}{changes}").replace("\n", "<U+000A>")
        head = f"# What is run here, fully resolved, from: {origin}\n# at {now}\n"
        try:
            if _settings(file) != body:
                atomic_write(file, f"{head}{body}")
        except OSError as error:
            say(f"note: the recipe cannot be kept in {file}: {error.strerror}")


def _settings(file: Path) -> str:
    """A kept recipe without what is said of its origin; empty where there is none."""
    try:
        lines = file.read_text("utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return ""
    return "".join(line for line in lines if not line.startswith("#"))


def _unwritable(folder: Path, names: Sequence[str]) -> list[Problem]:
    """Why results could not be written to a folder in the end: a file of their size is tried now."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(RESULTS_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return [Problem(f"results cannot be written: {error.strerror}", str(folder), "give another --results-dir")]
    files = [folder / f"{name}{suffix}" for name in names for suffix in (".csv", SUFFIX)]
    return [Problem("is no file", str(path), "give another --results-dir") for path in files if path.is_dir()]


@contextlib.contextmanager
def results_kept(runs_dir: Path, results_dir: Path) -> Iterator[None]:
    """Say what is not lost where results cannot be written any more.

    Raises:
        OrchestratorError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OrchestratorError(
            f"{results_dir}: the results cannot be written: {error.strerror}\n    all scores are kept in {runs_dir}: "
            "mend that, or give another --results-dir, and run the same command again"
        ) from error


def _closed_folders(plans: Sequence[Plan]) -> list[Problem]:
    """The folders of runs that cannot be written."""
    problems = []
    for plan in plans:
        try:
            plan.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=plan.folder).close()
        except OSError as error:
            hint = "give another folder with --runs-dir"
            problems.append(Problem(f"cannot be written: {error.strerror}", str(plan.folder), hint))
    return problems


def _unread_failures(toolkit: str) -> Sequence[Problem]:
    """What is wrong with the files that say what to do about a failed process: then is too late to hear it."""
    try:
        list(known_failures(toolkit))
    except InputError as error:
        return error.problems
    return []


def prepare(plans: Sequence[Plan], results_dir: Path, listener: Listener) -> None:
    """Check everything, then build the environments that are missing.

    Raises:
        InputError: all that is wrong with the input.
        StageError: an environment could not be built.
    """
    check(plans, results_dir, listener.line)
    build_environments(plans, listener.line)


def check(
    plans: Sequence[Plan], results_dir: Path, tell: Say, elsewhere: Callable[[Plan], Collection[str]] = lambda _: ()
) -> None:
    """See that everything is right before anything is launched; ``elsewhere``: of each plan, see `problems_of`.

    Raises:
        InputError: all that is wrong with the input.
    """
    from orchestrator.plan.preflight import problems_of  # a run that is done needs none of it

    said: set[str] = set()
    rows: Rows = {}

    def say(text: str) -> None:  # the same is said of all combinations of a sweep
        if text not in said:
            tell(text)
        said.add(text)

    problems = _closed_folders(plans) + _unwritable(results_dir, list(dict.fromkeys(map(results_name, plans))))
    for plan in plans:
        found = problems_of(plan, say=say, rows=rows, elsewhere=elsewhere(plan))
        found += _unread_failures(plan.recipe.model.toolkit)
        problems += [problem for problem in found if problem not in problems]
    if problems:
        raise InputError(problems)


def build_environments(plans: Sequence[Plan], say: Say) -> None:
    """Build the environments that what is left of plans lacks.

    Raises:
        StageError: one could not be built.
    """
    starting = ((plan, stage.kind) for plan in plans for job in plan.jobs for stage in job.todo())
    environments = [plan.part(kind).environment for plan, kind in starting if kind in LOADS]
    for environment in {environment.name: environment for environment in environments}.values():
        if environment.state() != "ready":
            what = f"building the environment of {environment.name}: once, some minutes and gigabytes"
            say(f"{what} ({environment.log})")
            build(environment)
