"""The toolkits: each is a module in this folder, whose name is that of its environment."""

from __future__ import annotations

import functools
import importlib
from typing import cast

from orchestrator.environments.environment import toolkit_names
from orchestrator.errors import InputError, one_of
from orchestrator.toolkits.base import Toolkit


@functools.cache
def get(name: str) -> Toolkit:
    """The toolkit of that name.

    Raises:
        InputError: there is none.
    """
    path = f"orchestrator.toolkits.{one_of('toolkit', name, toolkit_names())}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        hint = f"it is defined in third_party/{name}, and there is no orchestrator/toolkits/{name}.py"
        raise InputError(f"the toolkit `{name}` has an environment and no code", hint=hint) from None
    return cast("Toolkit", module.TOOLKIT)
