"""The toolkits: each is a module in this folder, whose name is that of its environment."""

from __future__ import annotations

import functools
import importlib
from typing import cast

from orchestrator.environments.environment import toolkit_names
from orchestrator.errors import one_of
from orchestrator.toolkits.base import Toolkit


@functools.cache
def get(name: str) -> Toolkit:
    """The toolkit of that name.

    Raises:
        InputError: there is none.
    """
    module = importlib.import_module(f"orchestrator.toolkits.{one_of('toolkit', name, toolkit_names())}")
    return cast("Toolkit", module.TOOLKIT)
