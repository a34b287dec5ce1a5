"""A toolkit that counts in place of computing, for tests of what a run does. It says nothing about a real toolkit.

It is a package of its own, `mmla_echo`, which lies here as ``pip install --target`` lays one out, so that this folder
on Python's path is as good as an installation.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.environments import places
from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.toolkits import registry

HERE = Path(__file__).resolve().parent


def register() -> None:
    """Make the toolkit ``echo`` known to this process, and see that its environment is built."""
    sys.path.insert(0, str(HERE))
    _forget()
    build(Environment.load("echo"))


def unregister() -> None:
    """Leave the toolkits as they are shipped: other tests look at all that there are."""
    sys.path.remove(str(HERE))
    _forget()


def _forget() -> None:
    for cache in (places.places, registry.engine, registry.trainer):
        cache.cache_clear()
