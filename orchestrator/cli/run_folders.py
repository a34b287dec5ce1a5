"""The folders of runs, and those that a user names."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import InputError, did_you_mean
from orchestrator.launch.slurm.submitted import SUBMITTED
from orchestrator.machine.leases import LOCK
from orchestrator.plan.record import STATE
from orchestrator.recipe.sweep_names import is_of_sweep
from orchestrator.run import RECIPE


def chosen_runs(run: str | None, runs_dir: Path) -> dict[str, Path]:
    """The folders of the runs that are asked for, by name.

    Raises:
        InputError: there is no such run.
    """
    folders = run_folders(runs_dir)
    if run is None:
        return folders
    kept = Path(run).name == RECIPE and Path(run).absolute().parent.name in folders
    name = Path(run).absolute().parent.name if kept else Path(run).stem if run.endswith(".yaml") else run
    found = {other: folder for other, folder in folders.items() if other == name or is_of_sweep(other, name)}
    if not found:
        hint = did_you_mean(name, folders) or (f"runs: {', '.join(folders)}" if folders else "")
        raise InputError(f"no run `{name}` in {runs_dir}", hint=hint or "give its folder with --runs-dir")
    return found


def run_folders(runs_dir: Path) -> dict[str, Path]:
    """The folders of runs, by name: they hold a recipe, or a job that is submitted, is worked on or has stages."""
    signs = (RECIPE, SUBMITTED, f"*/{LOCK}", f"*/*/{STATE}")
    folders = (path for path in sorted(runs_dir.glob("*/")) if any(any(path.glob(sign)) for sign in signs))
    return {path.name: path for path in folders}
