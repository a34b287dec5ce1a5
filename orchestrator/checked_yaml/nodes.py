"""Plain values that remember where they stand: what a recipe is made of before it is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value, where it stands (``file:line:column``) and, in a mapping, where its key stands."""

    value: Scalar | dict[str, Node] | list[Node]
    where: str
    key_where: str = ""

    @property
    def named_at(self) -> str:
        """Where its key stands or, without a key, where it stands itself."""
        return self.key_where or self.where


def plain(node: Node) -> Any:
    """The value without positions: dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def height(node: Node) -> int:
    """Levels of lists and mappings below the node: 0 for a scalar."""
    if not isinstance(node.value, dict | list):
        return 0
    children = node.value.values() if isinstance(node.value, dict) else node.value
    return 1 + max(map(height, children), default=0)


def describe(value: object) -> str:
    """A value in words, for messages: ``the text 'no'``, ``the number 3``, ``a list``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:57] + '...'!r}"
    return "a list" if isinstance(value, list) else "a mapping"


def find(root: Node, path: Sequence[str | int]) -> tuple[Node, int]:
    """The node at a path, or the deepest above it, and how many of the path's keys lead to it."""
    node = root
    for depth, key in enumerate(path):
        children: Any = node.value
        if isinstance(children, list):
            children = dict(enumerate(children))
        if not isinstance(children, dict) or key not in children:
            return node, depth
        node = children[key]
    return node, len(path)


def places(root: Node, above: str = "") -> dict[str, str]:
    """Where each value stands, by its dotted key; what is in a list stands where the list does."""
    found = {above: root.where} if above else {}
    if isinstance(root.value, dict):
        for key, child in root.value.items():
            found |= places(child, f"{above}.{key}" if above else key)
    return found


def tree(path: Sequence[str], value: Node) -> Node:
    """A value under a path of keys."""
    for key in reversed(path):
        value = Node({key: replace(value, key_where=value.where)}, value.where)
    return value


def merge(base: Node, over: Node, path: tuple[str, ...] = ()) -> Node:
    """Deep merge: mappings key by key, all else replaced. Null over a mapping removes it."""
    # a model given by its name alone gets the keys that are laid over it, as in `--set model.path=...`
    if path == ("model",) and isinstance(over.value, dict) and isinstance(base.value, str):
        base = Node({"name": base}, base.where, base.key_where)
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, child in over.value.items():
        old = merged.get(key)
        if old is None:
            merged[key] = child
        elif child.value is None and isinstance(old.value, dict):
            del merged[key]
        else:
            merged[key] = merge(old, child, (*path, key))
    return Node(merged, over.where, over.key_where)


def at_node(value: Any, at: Node) -> Node:
    """A plain value as a tree whose every position is that of a node."""
    if isinstance(value, dict):
        value = {key: at_node(child, at) for key, child in value.items()}
    elif isinstance(value, list):
        value = [at_node(child, at) for child in value]
    return Node(value, at.where, at.named_at)
