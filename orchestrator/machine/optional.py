"""Packages that only some commands need."""

from __future__ import annotations

import importlib
from typing import Any

from orchestrator.errors import InputError

# how the system's loader, and Python, say that memory ran out
NO_MEMORY = ("failed to map segment", "annot allocate memory", "can't start new thread")


def optional(name: str, why: str, extra: str) -> Any:
    """Import a package.

    Args:
        name: the package.
        why: said where it is absent, e.g. ``downloading needs huggingface_hub``.
        extra: the extra of this project that it is in.

    Raises:
        InputError: it is not installed, or cannot be loaded.
        MemoryError: there is no memory for it.
    """
    hint = f"run `make install`, or pip install -e '.[{extra}]' in the checkout"
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if is_memory(error):
            raise MemoryError(str(error)) from error
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        what = "which is not installed" if absent else f"which cannot be loaded: {error}"
        raise InputError(f"{why}, {what}", hint=hint) from error


def is_memory(error: BaseException) -> bool:
    """Whether an error, of whatever class, says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)
