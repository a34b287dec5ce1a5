"""Where the repaired copy of a clip lies: beside it, ``.repaired/<its name>.<its size in bytes>.mp4``.

The size is in the name, and the copy must be the newer file: one of a clip that was replaced since is not taken.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

FOLDER = ".repaired"


def copy_of(clip: str) -> Path:
    """Where a clip's copy belongs.

    Raises:
        OSError: there is no such clip.
    """
    path = Path(clip)
    return path.parent / FOLDER / f"{path.name}.{path.stat().st_size}.mp4"


def original_of(clip: str) -> str:
    """The path of the clip that a copy was made of; of any other clip its own."""
    folder, _, name = clip.rpartition("/")
    made = re.fullmatch(r"(.+)\.\d+\.mp4", name) if folder.endswith(f"/{FOLDER}") else None
    return f"{folder.removesuffix(FOLDER)}{made[1]}" if made else clip


def name_of(clip: str) -> str:
    """The name of a clip, or of the one that a copy was made of."""
    return original_of(clip).rpartition("/")[2]


class Copies:
    """Finds the copies that there are; a folder without any is looked at once."""

    def __init__(self) -> None:
        self._folders: dict[str, set[str]] = {}

    def shown(self, clip: str) -> str:
        """The path that toolkits are to read: of the repaired copy, where there is one of the clip as it is now."""
        folder, _, name = clip.rpartition("/")
        copies = self._folders.get(folder)
        if copies is None:
            copies = self._folders[folder] = _names(f"{folder}/{FOLDER}")
        if not copies:
            return clip
        try:
            status = os.stat(clip)  # noqa: PTH116 (many clips)
            copy = f"{name}.{status.st_size}.mp4"
            if copy in copies and os.stat(f"{folder}/{FOLDER}/{copy}").st_mtime_ns >= status.st_mtime_ns:  # noqa: PTH116
                return f"{folder}/{FOLDER}/{copy}"
        except (OSError, ValueError):
            pass  # the clip is missing, which is told elsewhere
        return clip


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 (names)
    except (OSError, ValueError):
        return set()
