"""The toolkits by name; a package is imported when it is first asked for."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, cast

from orchestrator.environments.environment import Environment
from orchestrator.environments.places import places, toolkit_names
from orchestrator.errors import InputError, one_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Engine, Part, Trainer

TRAINERS_WORK = ("init", "convert", "train", "merge")


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
    name, method = recipe.model.toolkit, recipe.method
    if _class(name, "Trainer") is None:
        key, instead = "method", f"write method: zero_shot instead of {method}"
        if recipe.train is None:
            key, instead = "model.init", "nor does it make a model from scratch: set model.path"
        hint = f"{instead}, or take a model of another toolkit (`ls models`)"
        raise InputError(f"the toolkit `{name}` trains nothing", recipe.place(key), hint)
    return trainer(name)


def part_of(recipe: Recipe, kind: str) -> Part:
    """Whose programs a kind of stage runs, or for whom it writes files; of those that do neither, the engine.

    Raises:
        InputError: it is a trainer's work, and the recipe's toolkit trains nothing.
    """
    return trainer_of(recipe) if kind in TRAINERS_WORK else engine_of(recipe)


def _class(name: str, kind: str) -> Any:
    place = places()[one_of("toolkit", name, toolkit_names())]
    try:
        return getattr(importlib.import_module(place.module), kind, None)
    except ImportError as error:
        hint = f"its package is {place.module}: is it installed whole?"
        raise InputError(f"the toolkit `{name}` cannot be imported: {error}", str(place.code), hint) from error
