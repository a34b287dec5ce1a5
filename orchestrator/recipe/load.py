"""Recipe files to recipes: YAML, ``extends``, ``--set`` overrides, the model catalogue, every problem at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_origin

from orchestrator.checked_yaml.nodes import Node, find, merge, tree
from orchestrator.checked_yaml.reader import Document, read, read_file, require
from orchestrator.errors import InputError, Problem, did_you_mean
from orchestrator.recipe.check import SCHEMA, validate
from orchestrator.recipe.paths import beside
from orchestrator.recipe.recipe import Recipe


def load_recipe(
    path: Path, overrides: Sequence[str] = (), tasks: Sequence[str] = (), limit: int | None = None
) -> Recipe:
    """Read a recipe file.

    Args:
        path: the YAML file; positions in messages are shown as ``path:line:column``.
        overrides: ``key.sub_key=value`` texts (``--set``), each over the file and the ones before it.
        tasks: task names in place of the recipe's own (``--task``); empty leaves those.
        limit: in place of ``data.limit`` (``--limit``).

    Raises:
        InputError: all problems of the file, of those it extends and of the overrides.
    """
    reader = _Reader()
    root = reader.read(path, ())
    for text in overrides:
        root = _over(root, reader.override(text))
    if tasks:
        items = [Node(name, f"--task {name}") for name in tasks]
        root = merge(root, tree(["tasks"], Node(list(items), "--task")))
    if limit is not None:
        root = merge(root, tree(["data", "limit"], Node(limit, f"--limit {limit}")))
    if reader.unreadable:  # the rest would be reported as missing
        raise InputError(reader.problems)
    return validate(root, path, reader.problems)


@dataclass(frozen=True)
class RecipeFiles:
    """Recipe files with what a command line changes of each: see `load_recipe`."""

    files: Sequence[Path]
    overrides: Sequence[str] = ()
    tasks: Sequence[str] = ()
    limit: int | None = None

    def options(self) -> list[str]:
        """What the command line changes, as its words."""
        words = [word for text in self.overrides for word in ("--set", text)]
        words += [word for name in self.tasks for word in ("--task", name)]
        return words + (["--limit", str(self.limit)] if self.limit is not None else [])

    def load(self) -> list[Recipe]:
        """Load the recipes.

        Raises:
            InputError: any of them is wrong, or two would write to the same place; all problems at once.
        """
        recipes: list[Recipe] = []
        problems: list[Problem] = []
        for file in self.files:
            try:
                recipe = load_recipe(file, self.overrides, self.tasks, self.limit)
            except InputError as error:
                problems += [problem for problem in error.problems if problem not in problems]
                continue
            hint = "both would write to the same folder: give one of them another `name`"
            names = f"the name `{recipe.name}` is also that of"
            twins = [other for other in recipes if other.name == recipe.name]
            problems += [Problem(f"{names} {other.source}", str(file), hint) for other in twins]
            recipes.append(recipe)
        if problems:
            raise InputError(problems)
        return recipes

    def with_all_tasks(self, file: Path) -> Recipe:
        """The recipe in one of the files with its own tasks and, behind them, those of the command line.

        Raises:
            InputError: it is wrong.
        """
        own = load_recipe(file, self.overrides, (), self.limit).tasks
        return load_recipe(file, self.overrides, tuple(dict.fromkeys((*own, *self.tasks))), self.limit)


class _Reader:
    """Reads a recipe file and those it extends, each once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.unreadable = False
        self.done: dict[Path, Node] = {}

    def read(self, path: Path, chain: tuple[Path, ...], named_at: str = "") -> Node:
        """The mapping in a file, merged over those it extends; ``chain`` are the files that led here."""
        try:
            file = path.resolve()
            if file in self.done:
                return self.done[file]
            if file in {step.resolve() for step in chain}:
                shown = " -> ".join(map(str, (*chain, path)))
                return self.give_up([Problem("`extends` goes round in a circle", named_at, shown)])
            if not path.exists():
                return self.give_up([Problem(f"there is no file `{path}`", named_at, _similar_files(path))])
            document = read_file(path, "a recipe")
            require(document.root, dict, "a recipe")
        except InputError as error:
            return self.give_up(error.problems)
        except (OSError, RuntimeError) as error:  # a name that is too long, a loop of links
            reason = error.strerror if isinstance(error, OSError) else "its links go round in a circle"
            return self.give_up([Problem(f"`{path}` cannot be read: {reason}", named_at)])
        node = self.take(document)
        assert isinstance(node.value, dict)
        own = Node({key: child for key, child in node.value.items() if key != "extends"}, str(path))
        base = Node({}, str(path))
        for parent in self.parents(node.value.get("extends")):
            base = merge(base, self.read(beside(path, str(parent.value)), (*chain, path), parent.where))
        self.done[file] = _over(base, own)
        return self.done[file]

    def take(self, document: Document) -> Node:
        self.problems += document.all_problems
        return document.root

    def give_up(self, problems: Sequence[Problem]) -> Node:
        self.problems += problems
        self.unreadable = True
        return Node({}, "")

    def parents(self, node: Node | None) -> list[Node]:
        if node is None or node.value is None:
            return []
        items = node.value if isinstance(node.value, list) else [node]
        if wrong := [item for item in items if not isinstance(item.value, str) or not item.value]:
            hint = "for example `extends: _base/tiny_qwen2.yaml`"
            self.problems.append(Problem("`extends` must be a file name or a list of them", wrong[0].where, hint))
            self.unreadable = True
            return []
        return items

    def override(self, text: str) -> Node:
        """``train.epochs=1`` as a tree to merge. Where the schema wants text the raw text is kept."""
        where = f"--set {text}"
        name, equals, raw = text.partition("=")
        path = [part.strip() for part in name.split(".")]
        if path[:2] == ["train", "per_task"] and path[2:]:
            path[2:] = _row(path[2:], raw)
        if not equals or not all(path):
            self.problems.append(Problem("an override is KEY=VALUE", where, "for example --set train.epochs=1"))
            return Node({}, where)
        expected: Any = SCHEMA.annotation(path)
        if expected is str or get_origin(expected) is Literal:
            null = raw in ("", "null", "~") and SCHEMA.optional(path)
            value = Node(None if null else "" if raw in ("''", '""') else raw, where)
        else:
            try:
                value = self.take(read(raw, lambda _line, _column: where))
            except InputError as error:
                self.problems += error.problems
                return Node({}, where)
        return tree(path, value)


def _row(keys: list[str], raw: str) -> list[str]:
    """``MIntRec2.0.lora.rank`` behind ``train.per_task`` as a task's name and the keys of its row."""
    known = SCHEMA.keys("train", "per_task", "")
    is_row = raw.startswith("{") or raw in ("", "~", "null")
    whole = len(keys) if is_row else max(1, len(keys) - 1)  # what is last may be an unknown key
    at = next((at for at, key in enumerate(keys) if at and key in known), whole)
    return [".".join(keys[:at]), *keys[at:]]


def _over(base: Node, over: Node) -> Node:
    """A file over those it extends, or an override over the files: also what it says of ``train`` over their rows."""
    return merge(_without_rows(base, over), over)


def _without_rows(root: Node, over: Node) -> Node:
    """The tree whose ``train.per_task`` no longer holds what is laid over it for all tasks.

    ``train.epochs: 1`` in a file that extends it, or ``--set train.epochs=1``, means every task, though a row would
    win over the section it stands in.
    """
    (train, own_depth), (given, given_depth) = find(root, ("train",)), find(over, ("train",))
    if not (own_depth and given_depth and isinstance(train.value, dict) and isinstance(given.value, dict)):
        return root
    rows = train.value.get("per_task")
    if rows is None or not isinstance(rows.value, dict):
        return root
    left = {task: _less(row, given) for task, row in rows.value.items()}
    train = replace(train, value={**train.value, "per_task": replace(rows, value=left)})
    assert isinstance(root.value, dict)
    return replace(root, value={**root.value, "train": train})


def _less(node: Node, other: Node) -> Node:
    """A mapping without what another gives values to, section by section."""
    if not (isinstance(node.value, dict) and isinstance(other.value, dict)):
        return node
    kept = {}
    for key, child in node.value.items():
        rest = other.value.get(key)
        if rest is None:
            kept[key] = child
        elif isinstance(child.value, dict) and isinstance(rest.value, dict):
            kept[key] = _less(child, rest)
    return replace(node, value=kept)


def _similar_files(path: Path) -> str:
    try:
        names = [file.name for file in path.parent.iterdir() if file.is_file()]
    except OSError:
        return f"there is no folder `{path.parent}` either"
    if f"{path.name}.yaml" in names:
        return f"did you mean `{path.name}.yaml`?"
    return did_you_mean(path.name, names)
