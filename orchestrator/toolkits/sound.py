"""Which models hear, or do nothing but hear: ``sound.yaml`` in a toolkit's folder.

It names, for each chat template (of ms-swift: model type) that takes sound, what its models were seen to learn and
answer with. A toolkit without the file gives no model any sound.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from orchestrator.checked_yaml.files import load
from orchestrator.environments.environment import Environment
from orchestrator.environments.places import places
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Modality
from orchestrator.toolkits.registry import engine

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
    return _names(recipe)[0] in hearing(recipe.model.toolkit)


def shown(recipe: Recipe) -> tuple[Modality, ...]:
    """What a recipe's model can be shown besides text, if it hears; none, if it or its chat template is deaf."""
    kind, template = _names(recipe)
    known = hearing(recipe.model.toolkit).get(kind, ())
    if known and template:
        offers = Environment.load(recipe.model.toolkit).offers
        if offers and template not in offers.media.get(kind, ()):
            return ()
    return known


def _names(recipe: Recipe) -> tuple[str, str]:
    """What names the model, and the chat template behind a slash; empty where the recipe does not say it."""
    kind, _, template = (recipe.model.template or "").partition("/")
    return kind, template


def sound_problem(recipe: Recipe) -> tuple[str, str] | None:
    """Why a model cannot be shown what a recipe wants, and what to do; ``None`` where it can."""
    wanted, able, name, toolkit = recipe.modality, shown(recipe), recipe.model.name, recipe.model.toolkit
    if wanted == "text" or wanted in able or not (able or recipe.hears):
        return None
    if able:
        words = " or ".join(able)
        return (
            f"data.modality: `{name}` is not shown {wanted} through {toolkit}",
            f"set data.modality to {words}, or text",
        )
    (kind, template), known = _names(recipe), hearing(toolkit)
    instead = f"set data.modality: {'video, or text' if _sees(recipe) else 'text'}"
    if kind in known:
        return f"data.modality: the chat template `{template}` hears nothing", f"write template: {kind}, or {instead}"
    others = f"; of {toolkit}'s models those of template {', '.join(known)} do" if known else ""
    return f"data.modality: `{name}` hears nothing through {toolkit}{others}", instead


def _sees(recipe: Recipe) -> bool:
    """Whether nothing is said against showing the model the video alone."""
    data = recipe.data.model_copy(update={"modality": "video"})
    problems = engine(recipe.model.toolkit).problems(recipe.model_copy(update={"data": data}))
    return not any("data.modality" in text for text in problems)
