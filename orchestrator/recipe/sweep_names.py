"""What the runs of a sweep are called: the same values always the same, however and in which order they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, get_origin

from orchestrator.checked_yaml.nodes import Node, plain
from orchestrator.checked_yaml.reader import scalar
from orchestrator.machine.files import digest
from orchestrator.recipe.check import SCHEMA

LONGEST = 100  # of a name, as `Recipe.name`
_LONGEST_VALUE = 32
_PLAIN = re.compile(r"[\w.-]+")
_OTHER = re.compile(r"[^\w.+-]+")
_HASH = 6  # hex digits


def run_name(recipe: str, values: Mapping[str, str], called: Mapping[str, str]) -> str:
    """The name of a combination: ``demo-learning_rate_1e-5-seed_2``.

    Args:
        recipe: the recipe's name.
        values: by key, as `value_text` spells them.
        called: the keys' labels, see `labels`.
    """
    parts = sorted(f"{called[key]}_{value}" for key, value in values.items())
    return _short("-".join((recipe, *parts)))


def results_name(recipe: str, called: Mapping[str, str]) -> str:
    """The name of the results of all combinations: ``demo.sweep-learning_rate-seed``."""
    return _short("-".join((f"{recipe}.sweep", *sorted(called.values()))))


def is_of_sweep(name: str, recipe: str) -> bool:
    """Whether a run's name is that of a combination of a recipe's sweep."""
    return name.startswith(f"{recipe}-") and bool(_a_value().match(name, len(recipe) + 1))


def labels(keys: Sequence[str]) -> dict[str, str]:
    """What names call keys, by key: see `label`; whole keys where two would be called alike."""
    called = {key: label(key) for key in keys}
    short = list(called.values())
    return {key: key if short.count(name) > 1 else name for key, name in called.items()}


def label(key: str) -> str:
    """The last part of a key, and as much more as tells it from all other keys: ``rank``, ``train.batch_size``."""
    if key in _labels():
        return _labels()[key]
    parts = key.split(".")
    if key.startswith("train.per_task."):
        return _clean(".".join(parts[2:]))
    # behind the last part that every recipe has, keys are free
    depth = next((end for end in range(len(parts), 0, -1) if ".".join(parts[:end]) in _labels()), 1)
    return _clean(".".join(parts[depth - 1 :]))


def value_text(node: Node) -> str:
    """A value as names spell it: ``1e-5``, ``last``, ``MELD+MOSI``; with a hash where that leaves something out."""
    value = plain(node)
    text = _spelled(value)
    clean = _clean(text)
    if clean == text and len(text) <= _LONGEST_VALUE:
        return text
    if isinstance(value, str):
        clean = _clean(value.rstrip("/").rpartition("/")[2])  # of a path the last part says most
    return f"{clean.strip('-')[:_LONGEST_VALUE].strip('-.')}-{digest(value)[:_HASH]}".lstrip("-")


def _spelled(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        # in quotes what would be taken for a number, or for a list
        return value if _PLAIN.fullmatch(value) and scalar(value) == value else f"'{value}'"
    if isinstance(value, list) and value and all(isinstance(one, str) and _PLAIN.fullmatch(one) for one in value):
        return "+".join(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _number(value: float) -> str:
    """The shorter of ``0.0001`` and ``1e-4``; 3.0 is 3."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    exact = repr(value)
    return min(exact, f"{Decimal(exact):e}", key=len)


def _clean(text: str) -> str:
    return _OTHER.sub("-", text)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - _HASH - 1]}-{digest(name)[:_HASH]}"


@cache
def _labels() -> dict[str, str]:
    """By each key that every recipe has, the shortest end of it that no other such key ends with."""
    keys = [key for key in _keys() if not key.startswith("train.per_task.")]
    ends: dict[str, int] = {}
    for key in keys:
        for end in _ends(key):
            ends[end] = ends.get(end, 0) + 1
    return {key: next((end for end in _ends(key) if ends[end] == 1), key) for key in keys}


def _ends(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[at:]) for at in range(len(parts) - 1, -1, -1)]


def _keys(*path: str) -> list[str]:
    """All keys but those of ``slurm``, which change no result and no label of another key."""
    found = []
    for key in SCHEMA.keys(*path):
        if not path and key == "slurm":
            continue
        found += [".".join((*path, key)), *_keys(*path, key)]
    return found


@cache
def _a_value() -> re.Pattern[str]:
    """What a value in a name begins with: ``seed_``, ``MELD.epochs_``, ``extra.neftune_noise_alpha_``."""
    known = "|".join(map(re.escape, _labels().values()))
    free = "|".join(label for key, label in _labels().items() if get_origin(SCHEMA.annotation(key.split("."))) is dict)
    return re.compile(rf"(([\w.+-]+\.)?({known})|({free})\.[\w.+-]+)_")
