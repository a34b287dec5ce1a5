"""The toolkits by name; a package is imported when it is first asked for."""

from __future__ import annotations

import importlib
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

from orchestrator.environments.environment import Environment
from orchestrator.environments.places import place_of, places, toolkit_names
from orchestrator.errors import InputError, one_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Engine, Part, Trainer

TRAINERS_WORK = ("init", "convert", "train", "merge")


@cache
def engine(name: str) -> Engine:
    """What answers requests in a toolkit.

    Raises:
        InputError: there is no such toolkit, it cannot be imported, or it answers nothing.
    """
    made = _class(name, "Engine")
    if made is None:
        raise InputError(f"the toolkit `{name}` answers nothing: {places()[name].module} has no `Engine`")
    return cast("Engine", _made(made, name, Engine))


@cache
def trainer(name: str) -> Trainer:
    """What trains in a toolkit.

    Raises:
        InputError: there is no such toolkit, it cannot be imported, or it trains nothing.
    """
    made = _class(name, "Trainer")
    if made is None:
        hint = f"those that train: {', '.join(filter(_trains, toolkit_names()))}"
        raise InputError(f"the toolkit `{name}` trains nothing", hint=hint)
    return cast("Trainer", _made(made, name, Trainer))


def _trains(name: str) -> bool:
    with suppress(InputError):  # one that is broken is told where it is used
        return _class(name, "Trainer") is not None
    return False


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
    place = place_of(one_of("toolkit", name, toolkit_names()))
    try:
        return getattr(importlib.import_module(place.module), kind, None)
    except Exception as error:  # whatever a package does while it is imported
        hint = f"its package is {place.module}: is it installed whole?"
        what = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        message = f"the toolkit `{name}` cannot be imported: {what}"
        raise InputError(message, _raised_at(error, place.code), hint) from error


def _made(made: Any, name: str, protocol: Any) -> Any:
    """An engine or a trainer with its environment.

    Raises:
        InputError: the environment's definition is wrong, or the class is not as the protocol says.
    """
    environment, code, hint = Environment.load(name), places()[name].code, "see orchestrator/toolkits/base.py"
    try:
        one = made(environment)
    except Exception as error:  # whatever a package does
        message = f"the {made.__name__} of the toolkit `{name}` cannot be made with its environment"
        raise InputError(f"{message}: {type(error).__name__}: {error}", _raised_at(error, code), hint) from error
    asked = (*dir(protocol), *(key for base in protocol.__mro__ for key in getattr(base, "__annotations__", ())))
    if lacking := sorted({key for key in asked if key[0] != "_" and not hasattr(one, key)}):
        message = f"the {made.__name__} of the toolkit `{name}` lacks {', '.join(lacking)}"
        raise InputError(message, str(code), hint)
    return one


def _raised_at(error: Exception, code: Path) -> str:
    """The file and line in which a package failed."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if len(frames) > 1 else str(code)
