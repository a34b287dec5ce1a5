"""Sweeps: keys with several values each, whose combinations are a run each.

``sweep: {train.learning_rate: [1e-5, 5e-5], seed: [1, 2, 3]}`` in a recipe, or ``--sweep KEY=VALUE,VALUE,...``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from math import prod

from orchestrator.checked_yaml.nodes import Node, describe, tree
from orchestrator.errors import InputError, Problem, masked
from orchestrator.machine.secrets import names_secret
from orchestrator.recipe.check import SCHEMA
from orchestrator.recipe.overrides import key_path, swept
from orchestrator.recipe.sweep_names import labels, value_text

SECTION = "sweep"
MOST = 500  # combinations: more are a mistake, or too many for one command
_EXAMPLE = "for example `sweep: {train.learning_rate: [1e-5, 5e-5], seed: [1, 2, 3]}`"
_NO_SETTINGS = ("name", "description", "extends", SECTION)


@dataclass(frozen=True)
class Combination:
    """One run of a sweep: the values as trees to merge over the recipe, in order, and as names spell them, by key."""

    trees: tuple[Node, ...]
    values: Mapping[str, str]


class Sweep:
    """The keys of a sweep in their order, each with its values.

    Args:
        section: what recipe files say under ``sweep``, if anything.
        options: the texts of ``--sweep``: each is in place of the files' values for its key, or one more key.
        problems: gets all that is wrong.

    Raises:
        InputError: there are too many combinations to look at.
    """

    def __init__(self, section: Node | None, options: Sequence[str], problems: list[Problem]) -> None:
        self.axes = dict(_of_files(section, problems))
        for text in options:
            if (found := swept(text, problems)) and (twice := self.axes.get(found[0])) and twice.where[:2] == "--":
                problems.append(Problem(f"`{found[0]}` is swept twice", found[1].where, f"also by {twice.where}"))
            elif found:
                self.axes[found[0]] = found[1]
        wrong = {key: why for key, node in self.axes.items() if (why := list(_problems(key, node)))}
        problems += chain.from_iterable(wrong.values())
        # what else is wrong is told by the combinations of the others
        self.axes = {key: node for key, node in self.axes.items() if key not in wrong}
        for key, node in self.axes.items():
            problems += _twice(key, node)
        if (count := prod(len(_values(node)) for node in self.axes.values())) > MOST:
            message = f"the sweep has {count:,} combinations, and {MOST} at most are run by one command"
            problems.append(Problem(message, next(iter(self.axes.values())).named_at, "leave values out"))
            raise InputError(problems)

    @property
    def labels(self) -> Mapping[str, str]:
        """What names call the keys, by key."""
        return labels(list(self.axes))

    def conflict(self, key: str, option: str) -> list[Problem]:
        """The problem of an option that says what a swept key says."""
        if key not in self.axes:
            return []
        return [Problem(f"{option} and the sweep both say `{key}`", self.axes[key].named_at, f"leave {option} out")]

    def combinations(self) -> Iterator[Combination]:
        """All of them, the last key's values change fastest."""
        for values in product(*map(_values, self.axes.values())):
            named = dict(zip(self.axes, values, strict=True))
            trees = tuple(tree(key_path(key, "{" if _is_row(value) else "-"), value) for key, value in named.items())
            yield Combination(trees, {key: value_text(value) for key, value in named.items()})


def without_sweep(root: Node) -> tuple[Node, Node | None]:
    """A recipe's tree without its section ``sweep``, and that section."""
    assert isinstance(root.value, dict)
    rest = {key: child for key, child in root.value.items() if key != SECTION}
    return replace(root, value=rest), root.value.get(SECTION)


def _is_row(value: Node) -> bool:
    return isinstance(value.value, dict)


def _values(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else []


def _of_files(section: Node | None, problems: list[Problem]) -> Iterator[tuple[str, Node]]:
    """The keys of the files' section, each with what stands there."""
    if section is None or section.value is None:
        return
    if not isinstance(section.value, dict):
        message = f"`{SECTION}` must be a mapping of keys to lists of values, not {describe(section.value)}"
        problems.append(Problem(message, section.where, _EXAMPLE))
        return
    # null in a file that extends another takes the key out of the sweep
    yield from ((key, node) for key, node in section.value.items() if node.value is not None)


def _problems(key: str, node: Node) -> Iterator[Problem]:
    """Why a key cannot be swept, or not over these values."""
    path = key_path(key, "{" if all(map(_is_row, _values(node))) else "-")
    unknown = next((path[:end] for end in range(1, len(path) + 1) if SCHEMA.annotation(path[:end]) is None), None)
    if path[0] in _NO_SETTINGS:
        yield Problem(f"`{key}` cannot be swept: it is no setting", node.named_at, f"take it out; {_EXAMPLE}")
    elif unknown:
        yield SCHEMA.unknown_key(tuple(unknown), node.named_at)
    elif not isinstance(node.value, list):
        hint = ""
        if isinstance(node.value, dict) and node.value and SCHEMA.keys(*path):
            hint = f"write dotted keys, e.g. `{key}.{next(iter(node.value))}: [...]`"
        message = f"the values of `{key}` must be a list, not {describe(node.value)}"
        yield Problem(message, node.where, hint or f"write `{key}: [{value_text(node)}]`")
    elif not node.value:
        yield Problem(f"the sweep has no values for `{key}`", node.named_at, _EXAMPLE)


def _twice(key: str, node: Node) -> Iterator[Problem]:
    """The values of a key that are there twice, however they are written."""
    seen: dict[str, Node] = {}
    for value in _values(node):
        text = value_text(value)
        if text in seen:
            at = f" (also at {seen[text].where})" if seen[text].where != value.where else ""
            shown = "the same" if names_secret(key.rpartition(".")[2]) else masked(text)
            message = f"two combinations come to the same run: `{key}` is {shown} twice{at}"
            yield Problem(message, value.where, "leave one out")
        seen.setdefault(text, value)
