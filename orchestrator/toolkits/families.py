"""Whether a toolkit shows the models of a family what `data.modality` says, before anything is started."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import get_args

from orchestrator.environments.environment import Environment
from orchestrator.errors import did_you_mean
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Modality

TEXT = "text"
CANNOT = {"video": "shows no video to", "audio": "plays no sound to"}
ELSEWHERE = "a model or toolkit that can (docs/models.md)"


def media_of(recipe: Recipe) -> list[str]:
    """What is shown besides text: ``video+audio`` is two things."""
    return [medium for medium in recipe.modality.split("+") if medium != TEXT]


def media_problems(recipe: Recipe, takes: Collection[str], toolkit: str) -> list[str]:
    """What of `data.modality` a toolkit can show to none of its models."""
    lacking = [medium for medium in media_of(recipe) if medium not in takes]
    instead = [*takes, TEXT]
    return [_refusal(recipe, f"{toolkit} {CANNOT[one]} its models", f"take {ELSEWHERE}", instead) for one in lacking]


def family_problems(
    recipe: Recipe, environment: Environment, family: str, templates: Sequence[str], able: Mapping[str, Sequence[str]]
) -> list[str]:
    """What of `data.modality` a toolkit does not show to a family of models; nothing, where that is not known.

    Args:
        recipe: whose model it is.
        environment: the toolkit's.
        family: what `model.template` names, in words that end with the name.
        templates: the chat templates that it may come to; none: the family reads text alone.
        able: by medium, what `model.template` may say of families that take it.
    """
    offers = environment.offers
    found: list[str] = []
    if offers is None:
        return found
    for medium in media_of(recipe):
        if not set(templates).intersection(offers.takers(medium)):
            message = f"{environment.release} {CANNOT[medium]} models of the {family}"
            instead = [other for other in offers.media_taken(templates) if other in get_args(Modality)]
            near = _near(family, able[medium])
            hint = f"{near} Else take {ELSEWHERE}" if near else f"take {ELSEWHERE}"
            found.append(_refusal(recipe, message, hint, [*instead, TEXT]))
        lacks = {module for name in templates for module in offers.lacks_for(medium).get(name, ())}
        for module in sorted(lacks):
            if not environment.installed.has(module):
                message = f"for {medium} the {family} needs a Python module `{module}`"
                hint = f"install it into {environment.venv}, or take {ELSEWHERE}"
                found.append(_refusal(recipe, message, hint, [TEXT]))
    return found


def broken_problems(recipe: Recipe, environment: Environment, names: Collection[str]) -> list[str]:
    """What is known not to work of what `model.template` comes to, though the toolkit lists it."""
    shown = {recipe.modality, *(media_of(recipe) or [TEXT])}
    return [
        f"model.template: `{recipe.model.template}` does not work in {environment.release} with data.modality: "
        f"{recipe.modality}: {one.why}; {one.instead}"
        for one in environment.broken
        if not shown.isdisjoint(one.modality) and not set(names).isdisjoint(one.names)
    ]


def install(environment: Environment, packages: Sequence[str]) -> str:
    """How packages get into an environment."""
    built = "" if environment.state() == "ready" else f"env build {environment.name}, then "
    return f"{built}uv pip install --python {environment.python} {shlex.join(packages)}"


def _near(family: str, able: Sequence[str]) -> str:
    """``did you mean ...?`` for a family of a like name that can; those for pictures first, mostly ``<name>_vl``."""
    name = family.rpartition("`")[0].rpartition("`")[2].partition("/")[0]
    vision = [one for one in able if one.startswith((f"{name}_vl", f"{name}v"))]
    return did_you_mean(name, vision or able)


def _refusal(recipe: Recipe, message: str, hint: str, instead: Sequence[str]) -> str:
    key = "data.modality" if recipe.data.modality else "model.template"
    return f"{key}: {message}; {hint}, or set data.modality: {' or '.join(instead)}"
