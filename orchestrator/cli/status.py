"""``status``: how far runs are, read from disk."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from orchestrator.cli.table import table
from orchestrator.cli.view import amount
from orchestrator.environments.places import toolkit_names
from orchestrator.errors import InputError, did_you_mean
from orchestrator.machine.locks import is_running, unused
from orchestrator.machine.processes import end_below
from orchestrator.plan.commands import REQUESTS
from orchestrator.plan.record import STATE, state_in
from orchestrator.run.journals import JournalProgress
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import Progress


def print_status(run: str | None, runs_dir: Path, *, as_json: bool) -> None:
    """Print the stages of the runs, or of one; what a killed run left running is ended, and that is said.

    Raises:
        InputError: there is no such run.
    """
    folders = run_folders(runs_dir)
    if run is not None:
        name = Path(run).stem if run.endswith(".yaml") else run
        if name not in folders:
            hint = did_you_mean(name, folders) or (f"runs: {', '.join(folders)}" if folders else "")
            raise InputError(f"no run `{name}` in {runs_dir}", hint=hint or "give its folder with --runs-dir")
        folders = {name: folders[name]}
    for folder in folders.values():
        with unused(folder) as certain:
            if certain and (left := end_below(folder)):
                print(f"{folder.name}: ended what a killed run left: process {', '.join(left)}", file=sys.stderr)
    if as_json:
        print(json.dumps({name: stages_on_disk(folder) for name, folder in folders.items()}, indent=2))
        return
    for name, folder in folders.items():
        print(f"{name}: {'running' if is_running(folder) else 'not running'}")
        print(table(stages_on_disk(folder)) + "\n")
    if not folders:
        print(f"no runs in {runs_dir}")


def run_folders(runs_dir: Path) -> dict[str, Path]:
    """The folders of runs, by name."""
    return {path.parent.name: path.parent for path in sorted(runs_dir.glob("*/lock"))}


def stages_on_disk(folder: Path) -> list[dict[str, Any]]:
    """Every stage of a run folder with its state, in the order in which they began."""
    running = is_running(folder)
    found = []
    states = [(path.parent, _readable(path.parent)) for path in folder.glob(f"*/*/{STATE}")]
    for path, state in sorted(states, key=lambda entry: str(entry[1]["attempts"][0]["started_at"])):
        name = state["state"]
        if name == "running" and not running:
            name = "stopped"  # whoever ran it was killed before it could say so
        progress = "" if name == "done" else _progress(path, state)
        began, error = state["attempts"][0]["started_at"][:19], (state.get("error") or "").split("\n")[0]
        row = {"stage": f"{state['job']}/{state['stage']}", "state": name, "progress": progress}
        found.append(row | {"seconds": state.get("seconds"), "began": began, "error": error, "folder": str(path)})
    return found


def _readable(folder: Path) -> dict[str, Any]:
    """What a stage says of itself; of a damaged ``stage.json``, which the next run makes anew, that it is damaged."""
    state = state_in(folder)
    with contextlib.suppress(LookupError, TypeError):
        texts = (
            state["state"],
            state["stage"],
            state["job"],
            state["attempts"][0]["started_at"],
            state.get("error") or "",
        )
        if all(isinstance(text, str) for text in texts):
            return state
    kind = folder.name.rpartition("-")[0]
    return {"state": "damaged", "stage": kind, "job": folder.parent.name, "attempts": [{"started_at": ""}]}


def _progress(folder: Path, state: dict[str, Any]) -> str:
    """How far the toolkit's log, or the journals, say that a stage is; empty for a toolkit that is not known here."""
    progress = None
    if state["stage"] == "train" and state.get("toolkit") in toolkit_names():
        progress = registry.trainer(state["toolkit"]).train_progress(folder)
    elif state["stage"] == "infer":
        with contextlib.suppress(OSError):  # it has not come to its requests
            total = (folder / REQUESTS).read_bytes().count(b"\n")
            progress = JournalProgress(folder, total)() or Progress(0, total)
    return amount(progress, state["stage"]) if progress else ""
