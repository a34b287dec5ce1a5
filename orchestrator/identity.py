"""What says that two inputs are the same, cheaply enough to ask at every start: part of stage keys."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from orchestrator.benchmark import Task
from orchestrator.errors import InputError
from orchestrator.examples import samples_of
from orchestrator.recipe import ModelSpec, Recipe
from orchestrator.store import digest

BLOCK_BYTES, BLOCKS = 1 << 16, 64


def of_file(path: Path) -> str:
    """A digest of a large file: its size and 64 blocks of 64 KiB, evenly spaced; a smaller file is read whole."""
    size = path.stat().st_size
    seen = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= BLOCK_BYTES * BLOCKS:
            seen.update(file.read())
        else:
            for number in range(BLOCKS):
                file.seek((size - BLOCK_BYTES) * number // (BLOCKS - 1))
                seen.update(file.read(BLOCK_BYTES))
    return seen.hexdigest()


def of_model(model: ModelSpec) -> dict[str, Any]:
    """Which weights a model has: hub id and revision, or a folder's content wherever it is stored."""
    folder = Path(model.path).expanduser() if model.path else None
    if folder and folder.is_dir():
        files = sorted(file for file in folder.iterdir() if file.is_file() and not _is_remark(file))
        return {"files": {file.name: of_file(file) for file in files}}
    return {"path": model.path, "revision": model.revision}


def _is_remark(file: Path) -> bool:
    return file.name.startswith(".") or file.suffix.lower() == ".md"


def of_videos(task: Task, split: str, recipe: Recipe, seen: dict[str, str | None]) -> str | None:
    """A digest of a split's videos by name and size: reading 50 GB at every start would take minutes.

    `seen` holds what was found before, for plans of several recipes over the same data.
    """
    asked = digest([task.name, split, recipe.data.model_dump(mode="json")])
    if asked not in seen:
        seen[asked] = _videos(task, split, recipe)
    return seen[asked]


def _videos(task: Task, split: str, recipe: Recipe) -> str | None:
    try:
        samples = samples_of(recipe, task, split)
    except InputError:
        return None  # said before anything is launched, where it can be said in full
    sizes = []
    for name in (sample.video for sample in samples if sample.video is not None):
        try:
            sizes.append((os.path.basename(name), os.stat(name).st_size))  # noqa: PTH116, PTH119 (half the time)
        except OSError:
            sizes.append((os.path.basename(name), -1))  # noqa: PTH119
    return digest(sizes)
