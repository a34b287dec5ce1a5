"""The toolkits, found by the modules in this folder: adding one is adding its module."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from orchestrator.errors import InputError, Problem, did_you_mean

if TYPE_CHECKING:
    from orchestrator.toolkits.base import Toolkit


@functools.cache
def names() -> tuple[str, ...]:
    """The toolkits' names, found without importing them."""
    files = (file for folder in __path__ for file in Path(folder).glob("*.py"))
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_") and file.stem != "base"))


@functools.cache
def get(name: str) -> Toolkit:
    """The toolkit of that name.

    Raises:
        InputError: there is none.
    """
    if name not in names():
        hint = did_you_mean(name, names()) or f"known toolkits: {', '.join(names())}"
        raise InputError(Problem(f"unknown toolkit `{name}`", hint=hint))
    return cast("Toolkit", importlib.import_module(f"orchestrator.toolkits.{name}").TOOLKIT)
