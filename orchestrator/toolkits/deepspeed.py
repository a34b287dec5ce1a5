"""What a configuration of DeepSpeed that a recipe brings may say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section
from orchestrator.errors import short

FILE = Path(__file__).with_suffix(".yaml")


class Allowed(Section):
    """The file: see what it says of itself."""

    allowed: tuple[str, ...]
    places: tuple[str, ...]


@cache
def _allowed() -> Allowed:
    return load(FILE, Allowed, "a file of DeepSpeed's keys")


def configuration_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """What a recipe's own configuration may not say, each key once."""
    known = _allowed()
    for key in sorted(set(config) - set(known.allowed)):
        yield f"`{short(key)}` is not for a recipe's configuration to say: it writes, sends or starts something else"
    for key in dict.fromkeys(_places(config)):
        yield f"`{short(key)}` names a file, which a recipe's configuration may not"


def _places(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key in _allowed().places and child is not None:
                yield key
            yield from _places(child)
    elif isinstance(value, list):
        for child in value:
            yield from _places(child)
