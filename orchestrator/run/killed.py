"""What runs that were killed left running."""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine.processes import end_below
from orchestrator.machine.signals import NEVER, Stop
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Say


def end_left(folder: Path, recipe: Recipe, say: Say, stop: Stop = NEVER) -> None:
    """End what a killed run left running in a job's folder that nobody else works on.

    Args:
        folder: the job's.
        recipe: says how long a process may take to finish what it writes.
        say: told what is waited for, and what was ended.
        stop: asked a second time, it ends all at once.
    """
    grace = recipe.resources.grace_seconds

    def waiting() -> None:
        say(f"waiting up to {grace:g} s for what a killed run left in {folder} (resources.stop_grace_seconds)")

    if left := end_below(folder, grace, waiting, lambda: stop.at_once):
        say(f"ended what a killed run left running: process {', '.join(left)}")
