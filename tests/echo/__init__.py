"""A toolkit that counts in place of computing, for tests of what a run does. It says nothing about a real toolkit."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator import toolkits
from orchestrator.environments import environment

HERE = Path(__file__).resolve().parent
MODULES, ENVIRONMENTS = str(HERE / "toolkits"), HERE / "third_party"


def register() -> None:
    """Make the toolkit ``echo`` known to this process: its module, and its environment."""
    toolkits.__path__.append(MODULES)
    environment.ROOTS.append(ENVIRONMENTS)


def unregister() -> None:
    """Leave the toolkits as they are shipped: other tests look at all that there are."""
    toolkits.__path__.remove(MODULES)
    environment.ROOTS.remove(ENVIRONMENTS)
    sys.modules.pop(f"{toolkits.__name__}.echo", None)
    toolkits.get.cache_clear()
