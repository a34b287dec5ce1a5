"""Recipes are shared: what of one looks like a secret is told at its place, and never shown."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.checked_yaml.nodes import Node, find
from orchestrator.errors import Problem
from orchestrator.machine.secrets import assigns_secret, is_secret, names_secret

# the sections themselves look at these, with all that they hold (`resources.env`, `train.extra`)
_OWN = ("env", "extra")
_HINT = "take it out of the recipe: type `export NAME=...` in the shell, and what needs it inherits it"


def secret_problems(root: Node) -> list[Problem]:
    """Values of a recipe's tree that look like secrets, wherever they stand; in lines of shell also those assigned."""
    found = [_problem(key, node) for key, node in _texts(root) if is_secret(node.value)]
    setup, depth = find(root, ("slurm", "setup"))
    lines = [node for key, node in _texts(setup) if assigns_secret(str(node.value))] if depth == 2 else []
    found += [_problem("slurm.setup", line) for line in lines]
    extra, depth = find(root, ("slurm", "extra"))
    if depth == 2 and isinstance(extra.value, dict):
        found += [_problem(f"slurm.extra.{name}", node) for name, node in extra.value.items() if names_secret(name)]
    return list(dict.fromkeys(found))


def _problem(key: str, node: Node) -> Problem:
    return Problem(f"`{key}` looks like a secret, and recipes are shared", node.where, _HINT)


def _texts(node: Node, key: str = "") -> Iterator[tuple[str, Node]]:
    """The texts below a node, each with its dotted key."""
    if isinstance(node.value, dict):
        for name, child in node.value.items():
            if not (name in _OWN and key.startswith(("resources", "train"))):
                yield from _texts(child, f"{key}.{name}" if key else name)
    elif isinstance(node.value, list):
        for child in node.value:
            yield from _texts(child, key)
    elif isinstance(node.value, str):
        yield key, node
