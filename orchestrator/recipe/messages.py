"""What is wrong with a recipe, in plain words, at its place in the file, with what to do about it."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from orchestrator.checked_yaml.nodes import Node, describe, find, plain
from orchestrator.checked_yaml.reader import scalar
from orchestrator.checked_yaml.section import Fields
from orchestrator.errors import Problem, did_you_mean
from orchestrator.recipe.recipe import Recipe

Path = tuple[str | int, ...]

_EXAMPLES = {"model": "qwen2_7b", "tasks": "all", "toolkit": "llamafactory"}
_BOUNDS = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def dotted(path: Sequence[str | int]) -> str:
    """``("train", "epochs")`` as ``train.epochs``, ``("tasks", 2)`` as ``tasks[2]`` (from 0)."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def annotation(path: Sequence[str | int]) -> Any:
    """The type that the recipe's schema gives to a path (without ``| None``), or None where it has no such key."""
    current: Any = Recipe
    for key in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(key))
            if field is None or (current is Recipe and key == "source"):
                return None
            current = _required(field.annotation)
        elif get_origin(current) in (dict, tuple):
            current = get_args(current)[0 if get_origin(current) is tuple else 1]
        else:  # inside free JSON
            return Any
    return current


def optional(path: Sequence[str | int]) -> bool:
    """Whether null is a value of its own at a path."""
    owner = annotation(path[:-1])
    if not (isinstance(owner, type) and issubclass(owner, BaseModel)):
        return False
    field = owner.model_fields.get(str(path[-1]))
    return field is not None and type(None) in get_args(field.annotation)


def keys(model: Any) -> list[str]:
    """The keys of a section."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [name for name in model.model_fields if not (model is Recipe and name == "source")]


def problems(error: ValidationError, root: Node, file: str) -> list[Problem]:
    """Each of pydantic's errors as a problem at the place of the key or value it is about."""
    found: list[Problem] = []
    for item in error.errors(include_url=False):
        path = tuple(key for key in item["loc"] if key != "[key]")
        context = item.get("ctx", {})
        if item["type"] == "recipe":
            where, path = locate(root, path, context["fields"], file)
            found.append(Problem(_prefixed(path, context["message"]), where, context["hint"]))
        else:
            found.append(_problem(item["type"], path, context, item["msg"], root, file))
    return found


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


def unknown_key(path: Path, where: str) -> Problem:
    """The problem of a key that the schema does not have: the closest key, the section it belongs to, or all."""
    key, known = str(path[-1]), keys(annotation(path[:-1]))
    if path[:-1] == ():
        known = [*known, "extends"]
    sections = [name for name in keys(Recipe) if key in keys(annotation((name,)))]
    hint = did_you_mean(key, known)
    if path[1:] and key in (*keys(Recipe), "extends"):
        hint = f"`{key}` belongs at the top of the file, not indented"
    elif sections and not (hint and len(path) > 1):
        hint = f"`{key}` belongs under `{'` or `'.join(sections)}`"
    elif not hint:
        places = {sub: f"{name}.{sub}" for name in keys(Recipe) for sub in keys(annotation((name,)))}
        close = did_you_mean(key, places)
        hint = next((close.replace(f"`{sub}`", f"`{full}`") for sub, full in places.items() if f"`{sub}`" in close), "")
    return Problem(f"unknown key `{dotted(path)}`", where, hint or f"known keys: {', '.join(known)}")


def _required(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        return next(part for part in get_args(hint) if part is not type(None))
    return hint


def _prefixed(path: Path, message: str) -> str:
    # the messages of checks over several fields name the fields themselves
    return message if message.startswith("`") or not path else f"`{dotted(path)}`: {message}"


def _problem(kind: str, path: Path, context: dict[str, Any], message: str, root: Node, file: str) -> Problem:
    where = place(root, path, file)
    if kind == "extra_forbidden":
        return unknown_key(path, place(root, path, file, key=True))
    if kind == "missing":
        choices = get_args(annotation(path)) if get_origin(annotation(path)) is Literal else ()
        hint = f"add `{path[-1]}: {_EXAMPLES.get(str(path[-1]), '...')}`"
        if choices:
            hint = f"add `{path[-1]}: {choices[0]}` (or {', '.join(choices[1:])})"
        return Problem(f"`{dotted(path)}` is missing", where, hint)
    node, depth = find(root, path)
    value = plain(node) if depth == len(path) else None
    if kind == "literal_error":
        choices = get_args(annotation(path))
        hint = (did_you_mean(value, choices) if isinstance(value, str) else "") or _quote_hint(value, choices)
        return Problem(f"`{dotted(path)}` must be one of {', '.join(choices)}, not {describe(value)}", where, hint)
    if kind in _BOUNDS:
        limit = _BOUNDS[kind].format(**context)
        return Problem(f"`{dotted(path)}` must be {limit}, not {describe(value).removeprefix('the number ')}", where)
    if kind in ("too_short", "string_too_short"):
        return Problem(f"`{dotted(path)}` must not be empty", where)
    if kind == "string_pattern_mismatch" and path == ("name",):
        hint = "letters, digits and . _ - + only, for it names a folder: set `name:`, or rename the file"
        return Problem(f"`name` {value!r} holds other characters", where, hint)
    if kind.endswith("_type") or kind.endswith("_parsing") or kind == "int_from_float":
        expected = annotation(path)
        return Problem(
            f"`{dotted(path)}` must be {_expected(expected)}, not {describe(value)}", where, _type_hint(expected, value)
        )
    return Problem(f"`{dotted(path)}`: {message[:1].lower()}{message[1:]}", where)


def _expected(expected: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if get_origin(expected) is tuple:
        return "a list"
    return words.get(expected, "a mapping (lines of `key: value`)")


def _quote_hint(value: object, choices: Sequence[str]) -> str:
    return "true and false are words of YAML: put it in quotes" if isinstance(value, bool) and choices else ""


def _type_hint(expected: Any, value: object) -> str:
    if value is None:
        return "write a value, or remove the key to use the default"
    if expected is bool:
        return "write true or false"
    if expected is str and isinstance(value, int | float):
        return "put it in quotes"
    if expected is int and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if get_origin(expected) is tuple and isinstance(value, str):
        return f"write `[{value}]`"
    if expected in (int, float) and isinstance(value, str):
        text = value.strip()
        if not isinstance(scalar(text), str | bool | None):
            return "remove the quotes"
        bare = text.replace("_", "").replace(",", "").lstrip("0")
        if bare.isdecimal():
            return f"write {bare}"
    return ""
