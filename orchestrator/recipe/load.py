"""Recipe files to recipes: YAML, ``extends``, ``--set`` overrides, the model catalogue, every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.checked_yaml.explain import in_order
from orchestrator.checked_yaml.nodes import Node, find, merge, plain, tree
from orchestrator.checked_yaml.reader import Document, read_file, require
from orchestrator.errors import InputError, Problem, did_you_mean
from orchestrator.recipe.check import validate
from orchestrator.recipe.overrides import option_of, override
from orchestrator.recipe.paths import beside
from orchestrator.recipe.recipe import NAME, Recipe, Swept
from orchestrator.recipe.sweep import SECTION, Sweep, without_sweep
from orchestrator.recipe.sweep_names import results_name, run_name
from orchestrator.recipe.trust import NONE, Trust


def load_recipe(
    path: Path,
    overrides: Sequence[str] = (),
    tasks: Sequence[str] = (),
    limit: int | None = None,
    trust: Trust = NONE,
) -> Recipe:
    """Read a recipe file, without its sweep.

    Args:
        path: the YAML file; positions in messages are shown as ``path:line:column``.
        overrides: ``key.sub_key=value`` texts (``--set``), each over the file and the ones before it.
        tasks: task names in place of the recipe's own (``--task``); empty leaves those.
        limit: in place of ``data.limit`` (``--limit``).
        trust: what the command allows of the recipe.

    Raises:
        InputError: all problems of the file, of those it extends and of the overrides.
    """
    root, section, problems = _read(path, overrides, tasks, limit)
    Sweep(section, (), problems)
    return validate(root, path, problems, trust)


def load_sweep(
    path: Path,
    overrides: Sequence[str] = (),
    tasks: Sequence[str] = (),
    limit: int | None = None,
    sweep: Sequence[str] = (),
    trust: Trust = NONE,
) -> list[Recipe]:
    """Read a recipe file with its sweep.

    Args:
        path: see `load_recipe`, also for what is not told here.
        overrides: for all combinations.
        tasks: for all combinations.
        limit: for all combinations.
        sweep: ``key=value,value`` texts (``--sweep``), in place of what the file says of a key, or more keys.
        trust: for all combinations.

    Returns:
        A recipe for each combination, the last key's values change fastest; the recipe alone where nothing is swept.

    Raises:
        InputError: all problems of the files, the options, the sweep and its combinations.
    """
    root, section, problems = _read(path, overrides, tasks, limit)
    chosen = Sweep(section, sweep, problems)
    problems += chosen.conflict("tasks", "--task") if tasks else []
    problems += chosen.conflict("data.limit", "--limit") if limit is not None else []
    if not chosen.axes:
        return [validate(root, path, problems, trust)]
    assert isinstance(root.value, dict)
    name = root.value.get("name") or Node(path.stem, str(path))
    found, lost = [], set[str]()
    for one in chosen.combinations():
        combined = root
        for over in one.trees:
            combined = _over(combined, over)
        lost |= set(_given_at(root)) - set(_given_at(combined))
        if isinstance(name.value, str) and re.fullmatch(NAME, name.value):  # else it is a problem once
            own = replace(name, value=run_name(name.value, one.values, chosen.labels))
            combined = merge(combined, tree(["name"], own))
        try:
            recipe = validate(combined, path, [], trust)
        except InputError as error:
            problems += error.problems
            continue
        found.append(recipe.of_sweep(Swept(results_name(str(name.value), chosen.labels), one.values)))
    hint = "leave one of them out; one value of a recipe's sweep alone is --sweep KEY=VALUE"
    said = map(option_of, overrides)
    problems += [Problem("the sweep says otherwise of the same key", where, hint) for where in said if where in lost]
    if problems:
        raise InputError(in_order(problems))
    return found


def _given_at(root: Node) -> Iterator[str]:
    """Where the values below a node stand."""
    if isinstance(root.value, dict):
        for child in root.value.values():
            yield from _given_at(child)
    else:
        yield root.where


def sweep_of(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The section ``sweep`` of a recipe file with those it extends, as plain values; nothing where there is none.

    Raises:
        InputError: a file cannot be read.
    """
    section = _read(path, overrides, (), None)[1]
    return {SECTION: plain(section)} if section else {}


def _read(
    path: Path, overrides: Sequence[str], tasks: Sequence[str], limit: int | None
) -> tuple[Node, Node | None, list[Problem]]:
    """The tree of a recipe file with the options of `load_recipe`, its section ``sweep``, and what is wrong so far."""
    reader = _Reader()
    root = reader.read(path, ())
    for text in overrides:
        root = _over(root, override(text, reader.problems))
    if tasks:
        items = [Node(name, f"--task {name}") for name in tasks]
        root = merge(root, tree(["tasks"], Node(list(items), "--task")))
    if limit is not None:
        root = merge(root, tree(["data", "limit"], Node(limit, f"--limit {limit}")))
    if reader.unreadable:  # the rest would be reported as missing
        raise InputError(reader.problems)
    return (*without_sweep(root), reader.problems)


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
