"""Files that a recipe names: a relative path is looked for from the recipe, then from where the command runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.checked_yaml.nodes import Node, find, plain
from orchestrator.environments.places import deepspeed_names
from orchestrator.errors import Problem
from orchestrator.machine.checkout import PROMPTS
from orchestrator.recipe.sections import MODALITIES
from orchestrator.recipe.trust import NONE, Trust

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


def find_files(data: dict[str, Any], root: Node, recipe: Path, trust: Trust = NONE) -> list[Problem]:
    """Put in place of a relative path the file or folder that lies beside the recipe.

    Looked for from the file in which the path stands, then from the recipe that extends it; what is there in neither
    stays as it is: relative to the folder where the command runs, a hub id, or a name. A path on the command line is
    relative to that folder first.

    Returns:
        What a recipe may not name: a template, or another file whose text goes into what is shown or sent, that lies
        neither beside the recipe nor is shipped, unless the command line names it. Links count as where they lead.
    """
    problems: list[Problem] = []
    wanted: list[tuple[tuple[str, ...], Callable[[Path], bool]]] = [
        (("prompt", "template"), _is_template),
        (("train", "deepspeed"), Path.is_file),
        (("slurm", "template"), Path.is_file),
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
        found = _found(node, recipe, is_one)
        if key[-1] == "template" and not trust.kept:
            problems += _strays(key, node, recipe, found or Path(node.value).expanduser())
        if found:
            section = data
            for name in key[:-1]:
                section = section[name]
            section[key[-1]] = str(found)
    return problems


def _strays(key: tuple[str, ...], node: Node, recipe: Path, path: Path) -> list[Problem]:
    """What is wrong with a file that a recipe names, if that leads out of the recipe's folders."""
    if node.where.startswith(_COMMAND_LINE):
        return []
    folders = [Path(_POSITION.sub("", node.where)).parent, recipe.parent, PROMPTS]
    try:
        homes = [folder.resolve() for folder in folders]
        # of a name with a place holder: both kinds of texts, and the folder of whichever form
        places = [Path(str(path).replace("{modality}", modality)) for modality in MODALITIES]
        places += [place.parent for place in places]
        if not any(_outside(place, homes) for place in places) and "{" not in str(places[-1]):
            return []
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a loop of links
        return []
    name = ".".join(key)
    message = f"`{name}` leads out of the recipe's folder, and a recipe may name files beside it only"
    hint = f"if you mean that file, name it yourself: --set {name}=FILE; or copy it to where the recipe is"
    return [Problem(message, node.where, hint)]


def _outside(place: Path, homes: list[Path]) -> bool:
    """Whether something is there, and in none of some folders."""
    return place.exists() and not any(place.resolve().is_relative_to(home) for home in homes)


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
    is_template = key == ("prompt", "template") and within_prompts(name)
    return (is_template and _is_template(PROMPTS / name)) or name in deepspeed_names()


def within_prompts(name: str) -> bool:
    """Whether a name could be that of a shipped template: it leads out of their folder by no ``..``, nor by a root."""
    return "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name).parts


def _is_template(path: Path) -> bool:
    """Whether a path is that of a template, for one of the modalities at least."""
    return any(Path(str(path).replace("{modality}", modality)).is_file() for modality in MODALITIES)
