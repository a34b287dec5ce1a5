"""What says that two inputs are the same, cheaply enough to ask at every start: part of stage keys."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from functools import cache
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from orchestrator.benchmark.model import ModelSpec
from orchestrator.benchmark.task import Task
from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError
from orchestrator.machine.files import digest
from orchestrator.prompts.examples import samples_of
from orchestrator.recipe.recipe import Recipe

REMARK = re.compile(r"(?:^|(?<=\s))#.*")  # and not what is behind the # of an address
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


def of_environment(environment: Environment, *, hears: bool = False) -> str:
    """A digest of what is installed: the lock without its remarks, Python's version, the toolkit's release or commit.

    Args:
        environment: what is installed.
        hears: whether it is for a model that hears; what only those use (`Definition.for_sound`) counts for no other.

    Raises:
        InputError: there is no lock.
    """
    source = {name: environment.source[name] for name in ("pypi", "commit") if name in environment.source}
    return digest(
        [
            _locked(environment.lock, environment.lock_digest, () if hears else environment.for_sound),
            environment.python_version,
            source,
        ]
    )


@cache
def _locked(lock: Path, _digest: str, left_out: tuple[str, ...]) -> str:
    lines = lock.read_text("utf-8", "surrogateescape").splitlines()
    if left_out:  # packages, each with the lines below it that are indented
        names = accumulate(lines, lambda name, line: line.partition("==")[0] if line[:1].strip() else name, initial="")
        lines = [line for line, name in zip(lines, islice(names, 1, None), strict=True) if name not in left_out]
    # a lock has thousands of lines, and few with a remark
    plain = (REMARK.sub("", line) if "#" in line else line for line in lines)
    return digest([text for line in plain if (text := line.strip())])


def of_model(model: ModelSpec) -> dict[str, Any]:
    """Which weights a model has: hub id and revision, or a folder's content wherever it is stored."""
    found = _of_weights(model.path) if model.path else {}
    if "path" in found and model.revision:
        found["revision"] = model.revision
    if model.parts:
        found["parts"] = {role: _of_weights(path) for role, path in sorted(model.parts.items())}
    return found


def _of_weights(path: str) -> dict[str, Any]:
    """A hub id as it stands; a file or a folder by content."""
    local = Path(path).expanduser()
    if local.is_file():
        return {"file": of_file(local)}
    if local.is_dir():
        # not what people or tools wrote about it
        files = (file for file in local.iterdir() if file.name[0] != "." and file.suffix.lower() != ".md")
        return {"files": {file.name: of_file(file) for file in sorted(files) if file.is_file()}}
    return {"path": path}


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
    videos = [sample.video for sample in samples if sample.video is not None]
    return digest([(path.rpartition("/")[2], size) for path, size in zip(videos, sizes_of(videos), strict=True)])


def sizes_of(videos: Iterable[str]) -> list[int]:
    """The sizes of files in bytes; -1 for one that is not there."""
    folders: dict[str, bool] = {}
    sizes = []
    for path in videos:
        folder = path.rpartition("/")[0]
        if folder not in folders:
            folders[folder] = os.path.isdir(folder)  # noqa: PTH112 (half the time)
        try:
            sizes.append(os.stat(path).st_size if folders[folder] else -1)  # noqa: PTH116
        except OSError:
            sizes.append(-1)
    return sizes
