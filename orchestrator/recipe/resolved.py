"""A recipe written out: every setting, in a file that reads back as the same recipe wherever it lies."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from orchestrator.checked_yaml.reader import scalar
from orchestrator.recipe.paths import shipped
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import MODALITIES

_PLAIN = re.compile(r"[A-Za-z_]([\w ./+-]*[\w./+-])?", re.ASCII)


class _Dumper(yaml.SafeDumper):
    """Quotes every text but plain words: what other readers of YAML take for text may be a number to ours."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write out what stands twice."""
        return True

    def text(self, value: str) -> yaml.ScalarNode:
        """A text that reads back as it is."""
        plain = _PLAIN.fullmatch(value) and scalar(value) == value
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _Dumper.text)


def as_yaml(resolved: dict[str, Any]) -> str:
    """Plain values as the text of a YAML file, in their order, each value on one line."""
    return str(yaml.dump(resolved, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf")))


def written(recipe: Recipe, folder: Path) -> str:
    """A recipe as the text of a file in a folder, whose relative paths lead to the same files from there."""
    found = recipe.resolved()
    found["data"] |= {name: _from_anywhere(found["data"][name]) for name in ("root", "video_root")}
    real = folder.resolve() == folder.absolute()  # what a relative path leads to depends on the links above it
    for section, key, names_it in _paths(found, recipe):
        name = section[key]
        # a recipe's paths are looked for from its file first
        if names_it and not name.startswith("~") and not Path(name).is_absolute() and _there(name):
            section[key] = os.path.relpath(name, folder) if real else str(Path(name).absolute())
    return as_yaml(found)


def _from_anywhere(path: str) -> str:
    """A path of the data, which is looked for from where the command runs; one that begins with ``{root}`` stays."""
    return path if path.startswith("{root}") else str(Path(path).absolute())


def _paths(found: dict[str, Any], recipe: Recipe) -> Iterator[tuple[dict[str, Any], str, bool]]:
    """The sections and keys of `paths.find_files`, and whether the value is a path at all."""
    local = recipe.model.gpus != 0  # a hosted model's name is no path
    yield found["model"], "path", local and found["model"]["path"] is not None
    for role in found["model"]["parts"]:
        yield found["model"]["parts"], role, local
    yield found["prompt"], "template", not shipped(("prompt", "template"), recipe.prompt.template)
    if recipe.train and recipe.train.deepspeed:
        yield found["train"], "deepspeed", not shipped(("train", "deepspeed"), recipe.train.deepspeed)
    if found["slurm"].get("template"):
        yield found["slurm"], "template", True


def _there(name: str) -> bool:
    """Whether there is a file of that name, for one of the modalities at least."""
    return any(Path(name.replace("{modality}", modality)).exists() for modality in MODALITIES)
