"""A YAML file as what a pydantic type says that it holds: all that is wrong with it at once, at file:line:column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from orchestrator.checked_yaml.explain import Path as Keys
from orchestrator.checked_yaml.explain import Schema, in_order, place
from orchestrator.checked_yaml.nodes import Node, plain
from orchestrator.checked_yaml.reader import read_file, require
from orchestrator.errors import InputError, Problem

Held = TypeVar("Held")
Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, kind: type[Held], what: str, examples: Mapping[str, str] | None = None) -> Held:
    """What a file holds.

    Args:
        path: the file.
        kind: a `Section`, or a list or mapping of them: ``dict[str, Model]``, ``tuple[Model, ...]``.
        what: the file in words, for messages: ``a task file``.
        examples: values to suggest where the key of that name is missing.

    Raises:
        InputError: the file is no YAML, or its values are not as ``kind`` has them; all problems at once.
    """
    document = read_file(path, what)
    require(document.root, list if get_origin(kind) in (tuple, list) else dict, what)
    held, problems = _validated(kind, Schema(kind, examples=examples or {}), document.root, document.root, str(path))
    if (problems := document.all_problems + problems) or held is None:
        raise InputError(in_order(problems))
    return held


@dataclass(frozen=True)
class Entries(Generic[Model]):
    """A file of named entries, of which a wrong one costs only itself.

    Attributes:
        path: the file.
        found: the entries that are right, by name, in the file's order.
        wrong: what is wrong with the others, by name; under None, with the file itself.
        root: its values with their places.
    """

    path: Path
    found: dict[str, Model]
    wrong: dict[str | None, list[Problem]]
    root: Node

    def place(self, *keys: str) -> str:
        """``file:line:column`` of an entry's name, or of a value in it."""
        return place(self.root, keys, str(self.path), key=len(keys) == 1)

    @property
    def problems(self) -> list[Problem]:
        """All that is wrong, in the order of the file."""
        return in_order(problem for problems in self.wrong.values() for problem in problems)

    def checked(self) -> dict[str, Model]:
        """The entries.

        Raises:
            InputError: any of them is wrong, or the file is.
        """
        if self.wrong:
            raise InputError(self.problems)
        return self.found


def load_entries(path: Path, model: type[Model], what: str) -> Entries[Model]:
    """The entries of a file that is a mapping of names to ``model``; ``what``: the file in words. Raises nothing."""
    try:
        document = read_file(path, what)
        require(document.root, dict, what)
    except InputError as error:
        return Entries(path, {}, {None: list(error.problems)}, Node({}, str(path)))
    assert isinstance(document.root.value, dict)
    schema = Schema(dict[str, model])  # type: ignore[valid-type]
    found, wrong = {}, document.problems
    for name, node in document.root.value.items():
        entry, problems = _validated(model, schema, node, document.root, str(path), (name,))
        if problems:
            wrong.setdefault(name, []).extend(problems)
        elif entry is not None and name not in wrong:
            found[name] = entry
    return Entries(path, found, wrong, document.root)


def _validated(
    kind: type[Held], schema: Schema, node: Node, root: Node, file: str, at: Keys = ()
) -> tuple[Held | None, list[Problem]]:
    """A value as ``kind``, or what is wrong with it."""
    adapter: Any = TypeAdapter(kind).validate_json if get_origin(kind) else kind.model_validate_json  # type: ignore[attr-defined]
    try:
        # JSON mode is strict about types and still takes a list for a tuple
        return adapter(json.dumps(plain(node)), strict=True), []
    except ValidationError as error:
        return None, schema.explain(error, root, file, at)
