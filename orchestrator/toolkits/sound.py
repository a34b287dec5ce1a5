"""Which models hear, or do nothing but hear: ``sound.yaml`` in a toolkit's folder.

It names, for each chat template (of ms-swift: model type) that takes sound, what its models were seen to learn and
answer with. A toolkit without the file gives no model any sound.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from orchestrator.checked_yaml.files import load
from orchestrator.environments.places import places
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Modality

FILE = "sound.yaml"


def hearing(toolkit: str) -> dict[str, tuple[Modality, ...]]:
    """By template, what a toolkit's models that hear can be shown besides text; none where the toolkit is deaf.

    Raises:
        InputError: the file is wrong.
    """
    place = places().get(toolkit)
    return _read(place.code / FILE) if place else {}


@cache
def _read(file: Path) -> dict[str, tuple[Modality, ...]]:
    return load(file, dict[str, tuple[Modality, ...]], "a file of models that hear") if file.is_file() else {}


def may_hear(recipe: Recipe) -> bool:
    """Whether a recipe's model is one that hears, whatever the recipe shows it."""
    return _template(recipe) in hearing(recipe.model.toolkit)


def _template(recipe: Recipe) -> str:
    return (recipe.model.template or "").partition("/")[0]


def sound_problem(recipe: Recipe) -> tuple[str, str] | None:
    """Why a model cannot be shown what a recipe wants, and what to do; ``None`` where it can."""
    known, template, wanted = hearing(recipe.model.toolkit), _template(recipe), recipe.modality
    shown = known.get(template)
    if wanted == "text" or (shown is None and not recipe.hears) or wanted in (shown or ()):
        return None
    name, toolkit = recipe.model.name, recipe.model.toolkit
    if shown:
        words = " or ".join(shown)
        return (
            f"data.modality: `{name}` is not shown {wanted} through {toolkit}",
            f"set data.modality to {words}, or text",
        )
    others = f"; of {toolkit}'s models those of template {', '.join(known)} do" if known else ""
    hint = "set data.modality: video, or text"
    return f"data.modality is {wanted}, but `{name}` hears nothing through {toolkit}{others}", hint
