"""What is wrong with a file, in plain words, at its place there, with what to do about it."""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from orchestrator.checked_yaml.nodes import Node, describe, find, plain
from orchestrator.checked_yaml.reader import scalar
from orchestrator.checked_yaml.section import REFUSED, Fields
from orchestrator.errors import Problem, did_you_mean
from orchestrator.machine.secrets import names_secret

Path = tuple[str | int, ...]

_BOUNDS = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


@dataclass(frozen=True)
class Schema:
    """A pydantic model, or a dict or a list of models, as the schema of a kind of file.

    Attributes:
        model: what a file becomes.
        hidden: fields of the model that no file holds.
        reserved: keys at the top of a file that are no fields.
        examples: values to suggest where the key of that name is missing.
        patterns: for fields at the top with a pattern, what it means.
        others: keys and values as others call them, and what they are called here.
    """

    model: Any
    hidden: frozenset[str] = frozenset()
    reserved: tuple[str, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)

    def annotation(self, path: Sequence[str | int]) -> Any:
        """The type that the schema gives to a path (without ``| None``), or None where it has no such key."""
        current: Any = self.model
        for key in path:
            if fields := self._fields(current):
                current = _required(fields[str(key)].annotation) if key in fields else None
            elif get_origin(current) in (dict, tuple, list):
                current = _required(get_args(current)[1 if get_origin(current) is dict else 0])
            else:  # inside free JSON, or no such key
                return current and Any
        return current

    def optional(self, path: Sequence[str | int]) -> bool:
        """Whether null is a value of its own at a path."""
        field = self._fields(self.annotation(path[:-1])).get(str(path[-1]))
        return field is not None and type(None) in get_args(field.annotation)

    def keys(self, *path: str | int) -> list[str]:
        """The keys of the section at a path; none where that is no section."""
        return list(self._fields(self.annotation(path)))

    def _fields(self, model: Any) -> dict[str, FieldInfo]:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return {}
        return {name: field for name, field in model.model_fields.items() if name not in self.hidden}

    def explain(self, error: ValidationError, root: Node, file: str, at: Path = ()) -> list[Problem]:
        """Each of pydantic's errors as a problem at the place of the key or value it is about.

        ``at``: the path of what was validated, where that is not the whole file.
        """
        found: list[Problem] = []
        for item in error.errors(include_url=False):
            path = at + tuple(key for key in item["loc"] if key != "[key]")
            if item["type"] == REFUSED:
                context = item["ctx"]
                where, path = locate(root, path, context["fields"], file)
                found.append(Problem(_prefixed(path, context["message"]), where, context["hint"]))
            else:
                found.append(self._problem(item, path, root, file))
        return found

    def unknown_key(self, path: Path, where: str) -> Problem:
        """The problem of a key that the schema does not have: the closest key, the section it belongs to, or all."""
        key, known = str(path[-1]), self.keys(*path[:-1])
        # the mapping that the sections are of: the file, or an entry of a file of entries
        depth = next((depth for depth in range(len(path)) if self.keys(*path[:depth])), 0)
        top, inside = path[:depth], path[depth:-1]
        if not inside:
            known = [*known, *self.reserved]
        sections = [name for name in self.keys(*top) if key in self.keys(*top, name)]
        hint = self._near(key, known)
        if inside and key in (*self.keys(*top), *self.reserved):
            hint = f"`{key}` belongs at the top of the {'entry' if top else 'file'}, not indented"
        elif sections and not (hint and inside) and self.others.get(key) not in known:
            hint = f"`{key}` belongs under `{'` or `'.join(sections)}`"
        elif not hint:
            places = {sub: f"{name}.{sub}" for name in self.keys(*top) for sub in self.keys(*top, name)}
            close = self._near(key, places)
            full = (close.replace(f"`{sub}`", f"`{name}`") for sub, name in places.items() if f"`{sub}`" in close)
            hint = next(full, "")
        return Problem(f"unknown key `{dotted(path)}`", where, hint or f"known keys: {', '.join(known)}")

    def _near(self, word: str, known: Collection[str]) -> str:
        other = self.others.get(word.casefold())
        return f"did you mean `{other}`?" if other in known else did_you_mean(word, known)

    def _problem(self, item: ErrorDetails, path: Path, root: Node, file: str) -> Problem:
        kind, context, message = item["type"], item.get("ctx", {}), item["msg"]
        where, expected, name = place(root, path, file), self.annotation(path), f"`{dotted(path)}`"
        choices = get_args(expected) if get_origin(expected) is Literal else ()
        if kind == "extra_forbidden":
            return self.unknown_key(path, place(root, path, file, key=True))
        if kind == "missing":
            hint = f"add `{path[-1]}: {self.examples.get(str(path[-1]), '...')}`"
            if choices:
                hint = f"add `{path[-1]}: {choices[0]}` (or {', '.join(choices[1:])})"
            return Problem(f"{name} is missing", where, hint)
        node, depth = find(root, path)
        value = plain(node) if depth == len(path) else None
        secret = any(names_secret(str(key)) for key in path)
        shown = "what stands there" if secret else describe(value)
        if kind == "literal_error":
            hint = self._near(value, choices) if isinstance(value, str) else ""
            if isinstance(value, bool):
                hint = "true and false are words of YAML: put it in quotes"
            return Problem(f"{name} must be one of {', '.join(choices)}, not {shown}", where, hint)
        if kind in _BOUNDS:
            limit = _BOUNDS[kind].format(**context)
            return Problem(f"{name} must be {limit}, not {shown.removeprefix('the number ')}", where)
        if kind in ("too_short", "string_too_short"):
            return Problem(f"{name} must not be empty", where)
        if kind == "string_pattern_mismatch" and len(path) == 1 and path[0] in self.patterns:
            # a name that is not written out is the file's
            return Problem(f"{name} {item['input']!r} holds other characters", where, self.patterns[str(path[0])])
        if kind.endswith("_type") or kind.endswith("_parsing") or kind == "int_from_float":
            hint = "" if secret else _type_hint(expected, value)
            return Problem(f"{name} must be {_expected(expected)}, not {shown}", where, hint)
        return Problem(f"{name}: {message[:1].lower()}{message[1:]}", where)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, in the order of the files; those of the command line, as they were given, behind them."""

    def position(problem: Problem) -> list[str | int]:
        if problem.where.startswith("--"):
            return ["~"]
        return [int(part) if part.isdigit() else part for part in re.split(r":(\d+)", problem.where)]

    return sorted(dict.fromkeys(problems), key=position)


def dotted(path: Sequence[str | int]) -> str:
    """``("train", "epochs")`` as ``train.epochs``, ``("tasks", 2)`` as ``tasks[2]`` (from 0)."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def place(root: Node, path: Path, file: str, key: bool = False) -> str:
    """Where a path stands: the value or, for a key or a value that is not written out, the key above it."""
    node, depth = find(root, path)
    if not depth:
        return file
    return node.where if depth == len(path) and not key else node.named_at


def locate(root: Node, path: Path, fields: Fields, file: str) -> tuple[str, Path]:
    """Where the first of some fields (as ``recipe.refuse`` gives them) stands that the file holds, and its path."""
    paths = [path + field for field in fields] or [path]
    chosen = next((option for option in paths if find(root, option)[1] == len(option)), paths[0])
    return place(root, chosen, file), paths[0]


def _required(hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        return _required(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return next(part for part in get_args(hint) if part is not type(None))
    return hint


def _prefixed(path: Path, message: str) -> str:
    # the messages of checks over several fields name the fields themselves
    return message if message.startswith("`") or not path else f"`{dotted(path)}`: {message}"


def _expected(expected: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if get_origin(expected) in (tuple, list):
        return "a list"
    return words.get(expected, "a mapping (lines of `key: value`)")


def _type_hint(expected: Any, value: object) -> str:
    if value is None:
        return "write a value, or remove the key to use the default"
    if expected is bool:
        return "write true or false"
    if expected is str and isinstance(value, int | float):
        return "put it in quotes"
    if expected is int and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if get_origin(expected) in (tuple, list) and isinstance(value, str):
        return f"write `[{value}]`"
    if expected in (int, float) and isinstance(value, str):
        text = value.strip()
        if not isinstance(scalar(text), str | bool | None):
            return "remove the quotes"
        bare = text.replace("_", "").replace(",", "").lstrip("0")
        if bare.isdecimal():
            return f"write {bare}"
    return ""
