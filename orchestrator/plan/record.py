"""A stage's ``stage.json``, as it is read: written last and atomically, so what it says is true.

Files can still be lost or damaged afterwards. What other stages read of a stage is sealed when it is done (size and
SHA-256 of each file), and a stage whose files do not fit their seals is not done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from orchestrator.machine.files import read_json, write_json

STATE = "stage.json"
# by kind of stage: patterns of the files that are sealed; the others in its folder are for people
SEALED: Mapping[str, tuple[str, ...]] = {
    "init": ("model/*",),
    "convert": ("train.*", "dev.*", "dataset_info.json"),
    "select": ("selection.json",),
    "infer": ("requests.jsonl", "predictions.jsonl"),
    "score": ("scores.json",),
}
SMALL_BYTES = 1 << 18  # a file of this size is read to see whether a stage is done; of larger ones the length counts


class _Attempt(BaseModel):
    started_at: str
    seconds: float | None = None

    @field_validator("started_at")
    @classmethod
    def _time(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value


class _Seal(BaseModel):
    bytes: int
    sha256: str


class _State(BaseModel):
    """The part of a ``stage.json`` that is read again."""

    model_config = ConfigDict(strict=True)

    state: str
    stage: str = ""
    job: str = ""
    attempts: list[_Attempt] = []
    outputs: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    device: str = ""
    processes: int = 1
    seconds: float = 0.0
    toolkit: str = ""
    error: str | None = None
    id: str | None = None
    made_from: dict[str, str] = {}
    files: dict[str, _Seal] = {}
    mixed: bool = False


def state_in(folder: Path) -> dict[str, Any]:
    """What a stage's folder says of it; empty where it has not begun, or where its ``stage.json`` is damaged."""
    state = read_json(folder / STATE)
    try:
        return {**_State.model_validate(state).model_dump(), **state}
    except ValidationError:
        return {}


def outputs_in(folder: Path) -> dict[str, Any]:
    """What a stage that is done said of its outputs; empty for any other."""
    return dict(state_in(folder).get("outputs") or {})


def is_done(folder: Path) -> bool:
    """Whether a stage's outputs are on disk, complete: sealed files have their length, and small ones their content."""
    state = state_in(folder)
    return state.get("state") == "done" and not damaged(folder, state, small_only=True)


def mark_in(folder: Path) -> str | None:
    """What tells one making of a stage from another with the same key; ``None`` where that is not known.

    A training and an inference have a random id; of a selection it is the checkpoint that matters.
    """
    state = state_in(folder)
    checkpoint = state.get("outputs", {}).get("checkpoint")
    return checkpoint if state.get("stage") == "select" and isinstance(checkpoint, str) else state.get("id")


def seal(folder: Path, kind: str) -> dict[str, Any]:
    """The seals of what a stage of a kind has just written, by file name, or path in its folder."""
    patterns = SEALED.get(kind, ())
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return {str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files}


def damaged(folder: Path, state: Mapping[str, Any], *, small_only: bool = False) -> list[str]:
    """The names of the sealed files that are no longer what their stage wrote.

    Args:
        folder: the stage's.
        state: its ``stage.json``.
        small_only: of large files only the length is looked at.
    """
    return [name for name, found in state.get("files", {}).items() if not _fits(folder / name, found, small_only)]


def reopen(folder: Path) -> None:
    """Have a stage that is done be done again by the next run; what is there of its work is kept, and its seals."""
    state = state_in(folder)
    if state:
        write_json(folder / STATE, {**state, "state": "reopened"})


def _fits(path: Path, found: Mapping[str, Any], small_only: bool) -> bool:
    try:
        size = path.stat().st_size
        if size != found["bytes"]:
            return False
        return (small_only and size > SMALL_BYTES) or _sha256(path) == found["sha256"]
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
