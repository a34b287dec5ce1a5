"""A stage's ``stage.json``, as it is read: written last and atomically, so what it says is true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.machine.files import read_json

STATE = "stage.json"


def state_in(folder: Path) -> dict[str, Any]:
    """What a stage's folder says of it; empty where it has not begun, or where its ``stage.json`` is damaged."""
    state = read_json(folder / STATE)
    return state if isinstance(state, dict) else {}


def outputs_in(folder: Path) -> dict[str, Any]:
    """What a stage that is done said of its outputs; empty for any other."""
    return dict(state_in(folder).get("outputs") or {})


def is_done(folder: Path) -> bool:
    """Whether a stage's outputs are on disk, complete."""
    return state_in(folder).get("state") == "done"
