"""Whether ms-swift knows what `model.template` says, TYPE or TYPE/TEMPLATE, and can run and show it what is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.environments.environment import Environment
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.families import ELSEWHERE, broken_problems, family_problems, install, media_of
from orchestrator.toolkits.settings import template_problems


def name_problems(environment: Environment, value: str) -> list[str]:
    """What is wrong with the names in TYPE or TYPE/TEMPLATE; nothing is, where none are known."""
    kind, _, template = value.partition("/")
    offers = environment.offers
    if offers is None:
        return []
    if not template and kind in offers.template and kind not in offers.model_type:
        # whose template it is stands in the table for models that take more than text
        types = [name for name, its in offers.media.items() if kind in its] or ["TYPE"]
        write = " or ".join(f"{name}/{kind}" for name in types)
        return [f"model.template: `{kind}` is no model type: that is a chat template: write {write}"]
    found = template_problems(kind, offers.model_type, "model type")
    return found + (template_problems(template, offers.template) if template else [])


def model_type_problems(recipe: Recipe, environment: Environment, value: str) -> list[str]:
    """What is wrong with a type of models and its chat template, of known names.

    Args:
        recipe: whose `model.template` it is.
        environment: with the table of names.
        value: TYPE or TYPE/TEMPLATE.
    """
    kind, _, template = value.partition("/")
    offers = environment.offers
    if offers is None:
        return []
    if found := _lacking(recipe, environment, kind, offers.lacks.get(kind, ())) or broken_problems(
        recipe, environment, [kind, value]
    ):
        return found
    # a type that reads text alone shows no video, whatever its template
    templates = [template] if template and kind in offers.media else offers.media.get(kind, ())
    able = [name for name, its in offers.media.items() if not set(its).isdisjoint(offers.video)]
    return family_problems(recipe, environment, f"type `{value}`", templates, able)


def _lacking(recipe: Recipe, environment: Environment, kind: str, lacks: Sequence[str]) -> list[str]:
    """The packages that a type needs and the environment lacks, or has too old.

    Of text alone only the latter is told: most packages that swift lists are for pictures and sounds.
    """
    found, absent = [], []
    need = f"model.template: models of type `{kind}` need"
    for requirement in lacks:
        name = re.split(r"[<>=!~ ]", requirement, maxsplit=1)[0]
        if not environment.installed.has(name.replace("-", "_")):
            absent.append(requirement)
        elif name != requirement:
            older = f"{need} {requirement}, and the environment of {environment.name} has an older one"
            found.append(f"{older}; take {ELSEWHERE}")
    if absent and media_of(recipe):
        what = f"{need} {' and '.join(absent)}, which the environment of {environment.name} lacks"
        found.append(f"{what}; {install(environment, absent)}")
    return found
