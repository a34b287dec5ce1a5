"""What a command line changes of a recipe, as trees to merge over it: ``--set KEY=VALUE``, ``--sweep KEY=A,B``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from orchestrator.checked_yaml.nodes import Node, height, tree
from orchestrator.checked_yaml.reader import read
from orchestrator.errors import InputError, Problem
from orchestrator.machine.secrets import names_secret, shown_option
from orchestrator.recipe.check import SCHEMA

_OPEN, _CLOSE = "[{", "]}"
_BEFORE = ("", *_OPEN, ",", ":")  # what a quoted text may follow
_QUOTED = re.compile(r"""\s*("(\\.|[^"\\])*"|'(''|[^'])*')\s*""")


def override(text: str, problems: list[Problem]) -> Node:
    """``train.epochs=1`` as a tree to merge; one without values where it cannot be read, with ``problems`` said."""
    where = option_of(text)
    name, equals, raw = text.partition("=")
    path = key_path(name, raw)
    if not equals or not all(path):
        problems.append(Problem("an override is KEY=VALUE", where, "for example --set train.epochs=1"))
        return Node({}, where)
    value = _typed(path, raw, where, problems)
    return Node({}, where) if value is None else tree(path, value)


def option_of(text: str) -> str:
    """``--set KEY=VALUE`` as messages name it; of a value that looks like a secret nothing is shown."""
    return shown_option("--set", text.partition("=")[0].strip(), text)


def swept(text: str, problems: list[Problem]) -> tuple[str, Node] | None:
    """``seed=1,2,3`` as a dotted key and the list of its values; ``None`` where it cannot be read.

    Commas inside brackets, braces and quotes part nothing. A list in brackets alone is that of the values, unless the
    key takes a list itself: ``tasks=[MELD],[MIntRec]``.
    """
    name, equals, raw = text.partition("=")
    where = shown_option("--sweep", name.strip(), text)
    name = name.strip()
    path = key_path(name, "")
    if not equals or not all(path):
        problems.append(Problem("a sweep is KEY=VALUE,VALUE,...", where, "for example --sweep seed=1,2,3"))
        return None
    parts = list(_parts(raw)) if raw.strip() else []
    expected: Any = SCHEMA.annotation(path)
    if len(parts) == 1 and parts[0].strip()[:1] == "[":
        node = _typed(path, parts[0], where, problems, as_text=False)
        if node is None:
            return None
        if isinstance(node.value, list) and height(node) > _height(expected):
            return name, Node(node.value, where, where)
    read_as = [(part.strip(), _QUOTED.fullmatch(part) is None) for part in parts]
    values = [_typed(path, part, where, problems, as_text=as_text) for part, as_text in read_as]
    return name, Node([value for value in values if value is not None], where, where)


def _parts(raw: str) -> Iterator[str]:
    """A text at its commas, but for those inside brackets, braces and quotes."""
    depth, start, at = 0, 0, 0
    while at < len(raw):
        # an apostrophe within a word opens nothing
        if raw[:at].rstrip()[-1:] in _BEFORE and (quoted := _QUOTED.match(raw, at)):
            at = quoted.end()
            continue
        depth += (raw[at] in _OPEN) - (raw[at] in _CLOSE)
        if raw[at] == "," and depth <= 0:
            yield raw[start:at]
            start = at + 1
        at += 1
    yield raw[start:]


def _height(expected: Any) -> int:
    """Levels of lists that a type is made of: 2 for a list of pairs."""
    listed = get_origin(expected) in (tuple, list)
    return 1 + max((_height(part) for part in get_args(expected) if part is not ...), default=0) if listed else 0


def key_path(name: str, raw: str) -> list[str]:
    """A dotted key as the path of keys; ``raw``, the text of its value, tells a task's row from a key of that."""
    path = [part.strip() for part in name.split(".")]
    if path[:2] == ["train", "per_task"] and path[2:]:
        path[2:] = _row(path[2:], raw)
    return path


def _typed(path: list[str], raw: str, where: str, problems: list[Problem], *, as_text: bool = True) -> Node | None:
    """A value as the schema reads it: where that wants text the raw text is kept, else it is YAML."""
    expected: Any = SCHEMA.annotation(path)
    if as_text and (expected is str or get_origin(expected) is Literal):
        null = raw in ("", "null", "~") and SCHEMA.optional(path)
        return Node(None if null else "" if raw in ("''", '""') else raw, where)
    try:
        document = read(raw, lambda _line, _column: where)
    except InputError as error:
        problems += _hushed(path, error.problems)
        return None
    problems += _hushed(path, document.all_problems)
    return document.root


def _hushed(path: list[str], found: Sequence[Problem]) -> list[Problem]:
    """Problems of reading a value, without what they say of it where that is a secret."""
    if not names_secret(path[-1]):
        return [*found]
    return [Problem("the value cannot be read as it stands", one.where) for one in found]


def _row(keys: list[str], raw: str) -> list[str]:
    """``MIntRec2.0.lora.rank`` behind ``train.per_task`` as a task's name and the keys of its row."""
    known = SCHEMA.keys("train", "per_task", "")
    is_row = raw.startswith("{") or raw in ("", "~", "null")
    whole = len(keys) if is_row else max(1, len(keys) - 1)  # what is last may be an unknown key
    at = next((at for at, key in enumerate(keys) if at and key in known), whole)
    return [".".join(keys[:at]), *keys[at:]]
