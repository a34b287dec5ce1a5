"""Commands that list: ``ls``, ``status``, ``env``."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator import toolkits
from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import tasks
from orchestrator.cli.table import print_rows, table
from orchestrator.errors import InputError, OrchestratorError, Problem, did_you_mean, one_of
from orchestrator.machine.checkout import RECIPES
from orchestrator.machine.files import read_json
from orchestrator.plan.commands import REQUESTS
from orchestrator.run.journals import JournalProgress


def list_things(what: str, runs_dir: Path, *, as_json: bool) -> None:
    """Print the tasks, the models, the recipes or the runs.

    Raises:
        InputError: it is none of these.
    """
    one_of("list", what, ("tasks", "models", "recipes", "runs"))
    rows = _runs(runs_dir) if what == "runs" else {"tasks": _tasks, "models": _models, "recipes": _recipes}[what]()
    print_rows(rows, as_json=as_json)


def _tasks() -> list[dict[str, Any]]:
    return [
        {
            "task": task.name,
            "dimension": task.dimension,
            "labels": len(task.labels),
            "language": task.language,
            **{split: task.sizes.get(split) for split in ("train", "dev", "test")},
            "benchmark": task.benchmark,
            "licence": task.licence,
        }
        for task in tasks().values()
    ]


def _models() -> list[dict[str, Any]]:
    return [
        {
            "model": name,
            "name": model["name"],
            "type": model["type"],
            "params_b": model.get("params_b"),
            "gpus": model.get("gpus", 1),
            "toolkit": model["toolkit"],
            "path": model.get("path") or "made from scratch",
        }
        for name, model in models().items()
    ]


def _recipes() -> list[dict[str, Any]]:
    from orchestrator.recipe.load import load_recipe

    rows: list[dict[str, Any]] = []
    for file in sorted(RECIPES.glob("*.yaml")):
        try:
            recipe = load_recipe(file)
        except InputError as error:
            rows.append({"recipe": str(file), "model": "", "method": "", "tasks": "", "about": f"wrong: {error}"})
            continue
        about = recipe.description
        shown = os.path.relpath(file)
        rows.append(
            {
                "recipe": shown,
                "model": recipe.model.name,
                "method": recipe.method,
                "tasks": len(recipe.tasks),
                "about": about,
            }
        )
    return rows


def _runs(runs_dir: Path) -> list[dict[str, Any]]:
    rows = []
    for folder in sorted(path.parent for path in runs_dir.glob("*/lock")):
        states = [stage["state"] for stage in stages_on_disk(folder)]
        counts = {state: states.count(state) for state in dict.fromkeys(states)}
        rows.append(
            {
                "run": folder.name,
                "now": "running" if is_running(folder) else "not running",
                "stages": ", ".join(f"{count} {state}" for state, count in counts.items()) or "none",
                "folder": str(folder),
            }
        )
    return rows


def is_running(folder: Path) -> bool:
    """Whether an orchestrator holds the lock of a run folder."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def stages_on_disk(folder: Path) -> list[dict[str, Any]]:
    """Every stage of a run folder with its state, in the order in which they began."""
    running = is_running(folder)
    found = []
    files = [(path, read_json(path)) for path in folder.glob("*/*/stage.json")]
    states = [(path, state) for path, state in files if isinstance(state, dict)]
    for path, state in sorted(states, key=lambda entry: str(entry[1]["attempts"][0]["started_at"])):
        name = state["state"]
        if name == "running" and not running:
            name = "stopped"  # whoever ran it was killed before it could say so
        found.append(
            {
                "stage": f"{state['job']}/{state['stage']}",
                "state": name,
                "progress": _progress(path.parent, state) if name != "done" else "",
                "seconds": state.get("seconds"),
                "began": state["attempts"][0]["started_at"][:19],
                "error": (state.get("error") or "").split("\n")[0],
                "folder": str(path.parent),
            }
        )
    return found


def _progress(folder: Path, state: dict[str, Any]) -> str:
    if state["stage"] == "train" and "toolkit" in state:
        progress = toolkits.get(state["toolkit"]).train_progress(folder)
        if progress:
            loss = "" if progress.loss is None else f", loss {progress.loss:.4g}"
            return f"step {progress.done}/{progress.total}{loss}"
    if state["stage"] == "infer":
        progress = JournalProgress(folder, 0)()
        try:
            total = (folder / REQUESTS).read_bytes().count(b"\n")
        except OSError:
            return ""
        return f"sample {progress.done if progress else 0}/{total}"
    return ""


def print_status(run: str | None, runs_dir: Path, *, as_json: bool) -> None:
    """Print the stages of the runs, or of one.

    Raises:
        InputError: there is no such run.
    """
    folders = {path.parent.name: path.parent for path in sorted(runs_dir.glob("*/lock"))}
    if run is not None:
        name = Path(run).stem if run.endswith(".yaml") else run
        if name not in folders:
            hint = did_you_mean(name, folders) or (f"runs: {', '.join(folders)}" if folders else "")
            raise InputError(Problem(f"no run `{name}` in {runs_dir}", hint=hint or "give its folder with --runs-dir"))
        folders = {name: folders[name]}
    if as_json:
        print(json.dumps({name: stages_on_disk(folder) for name, folder in folders.items()}, indent=2))
        return
    for name, folder in folders.items():
        print(f"{name}: {'running' if is_running(folder) else 'not running'}")
        print(table(stages_on_disk(folder)) + "\n")
    if not folders:
        print(f"no runs in {runs_dir}")


def list_environments(*, as_json: bool) -> None:
    """Print the toolkits' environments and whether they are built."""
    from orchestrator.environments.environment import Environment, toolkit_names

    rows = []
    for name in toolkit_names():
        environment = Environment.load(name)
        version = environment.toolkit_version() if environment.state() == "ready" else ""
        rows.append({"name": name, "state": environment.state(), "version": version, "folder": str(environment.folder)})
    print_rows(rows, as_json=as_json)


def build_environments(names: Sequence[str], *, force: bool) -> None:
    """Build some environments.

    Raises:
        InputError: a name is unknown.
        StageError: a build failed.
    """
    from orchestrator.environments.build import build
    from orchestrator.environments.environment import Environment

    for environment in [Environment.load(name) for name in names]:
        if environment.state() == "ready" and not force:
            print(f"{environment.name}: up to date")
            continue
        log = environment.folder / "build.log"
        print(f"{environment.name}: building ({log})", flush=True)
        build(environment, log, force=force)
        print(f"{environment.name}: ready")


def check_environments(names: Sequence[str]) -> None:
    """Import in each environment what will be used there.

    Raises:
        OrchestratorError: one of them does not work.
    """
    from orchestrator.environments.environment import Environment, toolkit_names

    chosen = [Environment.load(name) for name in names or toolkit_names()]
    built = [environment for environment in chosen if names or environment.state() != "missing"]
    if not built:
        print("no environment is built; build one with: python -m orchestrator env build NAME")
    failed = []
    for environment in built:
        problem = environment.check()
        print(f"{environment.name}: {problem or 'works'}", file=sys.stderr if problem else sys.stdout)
        if problem:
            failed.append(environment.name)
    if failed:
        raise OrchestratorError(f"not working: {', '.join(failed)}; build again with env build --force NAME")
