"""The toolkits by name; a package is imported when it is first asked for."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, cast

from orchestrator.environments.environment import Environment
from orchestrator.environments.places import places, toolkit_names
from orchestrator.errors import InputError, Problem, one_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Engine, Trainer


@cache
def engine(name: str) -> Engine:
    """What answers requests in a toolkit.

    Raises:
        InputError: there is no such toolkit, or it cannot be imported.
    """
    made = _class(name, "Engine")
    if made is None:
        raise InputError(f"the toolkit `{name}` answers nothing: {places()[name].module} has no `Engine`")
    return cast("Engine", made(Environment.load(name)))


@cache
def trainer(name: str) -> Trainer:
    """What trains in a toolkit.

    Raises:
        InputError: there is no such toolkit, it cannot be imported, or it trains nothing.
    """
    made = _class(name, "Trainer")
    if made is None:
        able = [other for other in toolkit_names() if other != name and _class(other, "Trainer")]
        raise InputError(f"the toolkit `{name}` trains nothing", hint=f"those that train: {', '.join(able)}")
    return cast("Trainer", made(Environment.load(name)))


def engine_of(recipe: Recipe) -> Engine:
    """What answers a recipe's requests."""
    return engine(recipe.model.toolkit)


def trainer_of(recipe: Recipe) -> Trainer:
    """What a recipe trains with.

    Raises:
        InputError: its toolkit trains nothing.
    """
    try:
        return trainer(recipe.model.toolkit)
    except InputError as error:
        hint = f"write method: zero_shot instead of {recipe.method}, or take a model of another toolkit (`ls models`)"
        problems = [Problem(problem.message, recipe.place("method"), hint) for problem in error.problems]
        raise InputError(problems) from error


def _class(name: str, kind: str) -> Any:
    place = places()[one_of("toolkit", name, toolkit_names())]
    try:
        return getattr(importlib.import_module(place.module), kind, None)
    except ImportError as error:
        hint = f"its package is {place.module}: is it installed whole?"
        raise InputError(f"the toolkit `{name}` cannot be imported: {error}", str(place.code), hint) from error
