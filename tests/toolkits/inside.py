"""Programs in a toolkit's environment, as `launch` starts them, and what lies in a toolkit's ``inside/``.

The tests' own programs there (``inside_<toolkit>.py``) import this, too: it needs the standard library only.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from orchestrator.inside import start

HERE = Path(__file__).resolve().parent
TOOLKITS = start.HERE.parents[1] / "toolkits"


def program(toolkit: str, name: str) -> Path:
    """A program of a toolkit."""
    return TOOLKITS / toolkit / "inside" / f"{name}.py"


def module(toolkit: str, name: str) -> Any:
    """The same as a module, in the toolkit's environment."""
    return importlib.import_module(start.module_of(program(toolkit, name)))


def argv_of(python: object, file: Path, *words: object, launcher: tuple[str, ...] = ()) -> list[str]:
    """The command line of a program."""
    return [*map(str, (python, *launcher, start.HERE, file, *words))]
