"""What runs that were killed left running."""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine.processes import end_below
from orchestrator.toolkits.base import Say


def end_left(folder: Path, say: Say) -> None:
    """End what a killed run left running in a folder that nobody else works on."""
    if left := end_below(folder):
        say(f"ended what a killed run left running: process {', '.join(left)}")
