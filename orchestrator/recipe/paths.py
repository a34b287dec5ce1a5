"""Files that a recipe names: a relative path is looked for from the recipe, then from where the command runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.checked_yaml.nodes import Node, find, plain
from orchestrator.environments.places import deepspeed_names
from orchestrator.machine.checkout import PROMPTS

_COMMAND_LINE = "--"
_POSITION = re.compile(r":\d+:\d+$")


def beside(path: Path, name: str) -> Path:
    """A file named relative to another, without the ``folder/..`` that would clutter messages."""
    parts: list[str] = list(path.parent.parts)
    for part in Path(name).parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def find_files(data: dict[str, Any], root: Node, recipe: Path) -> None:
    """Put in place of a relative path the file or folder that lies beside the recipe.

    Looked for from the file in which the path stands, then from the recipe that extends it; what is there in neither
    stays as it is: relative to the folder where the command runs, a hub id, or a name. A path on the command line is
    relative to that folder first.
    """
    wanted: list[tuple[tuple[str, ...], Callable[[Path], bool]]] = [
        (("prompt", "template"), _is_template),
        (("train", "deepspeed"), Path.is_file),
    ]
    model, depth = find(root, ("model",))
    if depth and isinstance(model.value, dict) and plain(model).get("gpus") != 0:  # a hosted model's is no path
        wanted.append((("model", "path"), Path.exists))
        parts, depth = find(model, ("parts",))
        names = parts.value if depth and isinstance(parts.value, dict) else ()
        wanted += [(("model", "parts", role), Path.exists) for role in names]
    for key, is_one in wanted:
        node, depth = find(root, key)
        if depth != len(key) or not isinstance(node.value, str) or shipped(key, node.value):
            continue
        if found := _found(node, recipe, is_one):
            section = data
            for name in key[:-1]:
                section = section[name]
            section[key[-1]] = str(found)


def _found(node: Node, recipe: Path, is_one: Callable[[Path], bool]) -> Path | None:
    """Where a path lies beside a recipe; ``None`` where it is to stay as it is written."""
    name = str(node.value)
    if not name or name.startswith("~") or Path(name).is_absolute() or "\0" in name:
        return None
    given = node.where.startswith(_COMMAND_LINE)
    files = [recipe] if given else [Path(_POSITION.sub("", node.where)), recipe]
    try:
        if given and is_one(Path(name)):
            return None
        return next((path for file in files if is_one(path := beside(file, name))), None)
    except OSError:  # a name that is too long
        return None


def shipped(key: tuple[str, ...], name: str) -> bool:
    """Whether a name is that of something shipped, which wins over a file of that name."""
    is_template = key == ("prompt", "template") and "\0" not in name and _is_template(PROMPTS / name)
    return is_template or name in deepspeed_names()


def _is_template(path: Path) -> bool:
    """Whether a path is that of a template, for one of the modalities at least."""
    return any(Path(str(path).replace("{modality}", modality)).is_file() for modality in ("text", "video"))
