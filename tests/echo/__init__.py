"""A toolkit that counts in place of computing, for tests of what a run does. It says nothing about a real toolkit."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator import toolkits

FOLDER = str(Path(__file__).parent / "toolkits")


def register() -> None:
    """Make the toolkit ``echo`` known to this process."""
    if FOLDER not in toolkits.__path__:
        toolkits.__path__.append(FOLDER)
    _forget()


def unregister() -> None:
    """Leave the toolkits as they are shipped: other tests look at all that there are."""
    toolkits.__path__.remove(FOLDER)
    sys.modules.pop(f"{toolkits.__name__}.echo", None)
    _forget()


def _forget() -> None:
    toolkits.names.cache_clear()
    toolkits.get.cache_clear()
