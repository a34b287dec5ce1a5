"""What a file that is missing is called on disk: the same letters and numbers, written otherwise.

Names that are merely alike are no help here: ``dia0_utt2.mp4`` is another clip than ``dia0_utt1.mp4``.
"""

from __future__ import annotations

import os
import re
import unicodedata

from orchestrator.data.samples import VIDEO_SUFFIXES


class Spellings:
    """Looks for files in the folders that they are missing from, each of which is listed once."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, str]] = {}

    def near(self, path: str) -> str:
        """Where the file may be, or what of its path is missing; empty where nothing can be said."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = {key(name): name for name in _names(folder)}
        names = self._folders[folder]
        found = names.get(key(name))
        if found == name:
            return f"it is a link to {_target(path)}, which is not there"
        if found:
            return f"there is `{found}` in its folder: give that name in the data, or rename the file"
        if names:
            return ""
        if os.path.isdir(folder):  # noqa: PTH112 (as the listing)
            return f"there are no files in {folder}; data.video_root says where the videos lie"
        return f"there is no folder {folder}; data.video_root says where the videos lie"


def key(name: str) -> str:
    """What two spellings of a name share: its letters and numbers, whatever their case and form, without its suffix."""
    if name.lower().endswith(VIDEO_SUFFIXES):
        name = name[: name.rindex(".")]
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "-".join(part.lstrip("0") or "0" for part in re.findall(r"\d+|[^\W\d_]+", folded)) or name


def _target(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 (any name)
    except OSError:
        return "another file"


def _names(folder: str) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]  # noqa: PTH208 (names)
    except (OSError, ValueError):
        return []
