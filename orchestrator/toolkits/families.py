"""Whether a toolkit shows a family of models the video that a recipe wants, before anything is started.

Which families hear, and what works with sound, stands elsewhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence

from orchestrator.environments.environment import Environment
from orchestrator.errors import did_you_mean
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.sound import shown

TEXT, AUDIO = "text", "audio"
ELSEWHERE = "a model or toolkit that can (docs/models.md)"


def media_of(recipe: Recipe) -> list[str]:
    """What is shown besides text: ``video+audio`` is two things."""
    return [medium for medium in recipe.modality.split("+") if medium != TEXT]


def family_problems(
    recipe: Recipe, environment: Environment, family: str, templates: Collection[str], able: Sequence[str]
) -> list[str]:
    """Why a toolkit shows a family of models no video where one is wanted; nothing, where that is not known.

    Args:
        recipe: whose model it is.
        environment: the toolkit's.
        family: what `model.template` names, in words that end with the name.
        templates: the chat templates that it may come to; none: the family reads text alone.
        able: what `model.template` may say of families that take videos.
    """
    offers = environment.offers
    if offers is None or not recipe.shows_video:
        return []
    takers = [name for name in templates if name in offers.video]
    if not takers:
        message = f"{environment.release} shows no video to models of the {family}"
        if AUDIO in shown(recipe):
            return [f"{_key(recipe)}: {message}; set data.modality: {AUDIO} or {TEXT}, or take {ELSEWHERE}"]
        near = _near(family, able)
        return [_refusal(recipe, message, f"{near} Else take {ELSEWHERE}" if near else f"take {ELSEWHERE}")]
    lacking = [[module for module in offers.video_lacks.get(name, ()) if not environment.installed.has(module)]
               for name in takers]  # fmt: skip
    if not all(lacking):
        return []
    message = f"for videos the {family} needs a Python module `{lacking[0][0]}`, which {environment.name} lacks"
    return [_refusal(recipe, message, f"install it into {environment.venv}, or take {ELSEWHERE}")]


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
    """``did you mean ...?`` for a relative that can, whose name begins with the family's; mostly ``<name>_vl``."""
    name = family.rpartition("`")[0].rpartition("`")[2].partition("/")[0]
    vision = [one for one in able if one.startswith((f"{name}_vl", f"{name}v"))]
    return did_you_mean(name, vision or [one for one in able if one.startswith(name)])


def _key(recipe: Recipe) -> str:
    return "data.modality" if recipe.data.modality else "model.template"


def _refusal(recipe: Recipe, message: str, hint: str) -> str:
    return f"{_key(recipe)}: {message}; {hint}, or set data.modality: {TEXT}"
