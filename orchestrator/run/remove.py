"""Removing a stage's folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.plan.record import STATE


def remove(folder: Path) -> None:
    """Remove a stage's folder. What says that it is worth nothing goes last: a kill may come at any moment."""
    for path in folder.iterdir():
        if path.name != STATE:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(folder)
