"""Which environment variables a recipe may set (`resources.env`): those that decide no address, file or program."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.nodes import Node, find
from orchestrator.checked_yaml.section import Section
from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError, Problem, did_you_mean, short
from orchestrator.machine.secrets import names_secret

FILE = Path(__file__).with_suffix(".yaml")
OPTION = "--allow-env"
NAMES = "env"  # of a toolkit's `names.yaml`
_GPUS = "CUDA_VISIBLE_DEVICES"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Reason(Section):
    """Why variables of some names are not a recipe's."""

    match: str
    why: str


class Allowed(Section):
    """The file: see what it says of itself."""

    families: tuple[str, ...]
    words: tuple[str, ...]
    names: tuple[str, ...]
    values: dict[str, str]
    ours: dict[str, str]
    reasons: tuple[Reason, ...]

    def has(self, name: str) -> bool:
        """Whether a recipe may set a variable of any toolkit."""
        if name in self.names:
            return True
        # digits belong to a word: NCCL_NET_PLUGIN2
        words = set(re.split(r"[_\d]+", name)) | set(name.split("_"))
        known = name.startswith(self.families) and name not in self.families
        return known and name not in self.ours and not words & set(self.words)


@cache
def allowed() -> Allowed:
    """What recipes may set."""
    return load(FILE, Allowed, "a file of variables")


def checked_names(names: Sequence[str]) -> frozenset[str]:
    """The names that a command line allows (`--allow-env`).

    Raises:
        InputError: one is no name of a variable, or is never a recipe's.
    """
    problems = []
    for name in names:
        if not _NAME.fullmatch(name):
            hint = "give the name alone; its value is what the recipe says"
            problems.append(Problem(f"`{short(name.partition('=')[0])}` is no name of a variable", OPTION, hint))
        elif name in allowed().ours:
            problems.append(Problem(f"`{name}` cannot be set by a recipe", OPTION, allowed().ours[name]))
        elif names_secret(name):
            problems.append(Problem(f"`{name}` looks like a secret, and recipes are shared", OPTION, "export it"))
    if problems:
        raise InputError(problems)
    return frozenset(names)


def variable_problems(root: Node, toolkit: str | None, given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with the names in ``resources.env`` of a recipe's tree; no value is shown.

    Args:
        root: the tree.
        toolkit: whose own variables may be set, too.
        given: names that the command line allows.
    """
    node, depth = find(root, ("resources", "env"))
    if depth != 2 or not isinstance(node.value, dict):
        return
    known = allowed()
    for name, value in node.value.items():
        if names_secret(name) or name in ("", _GPUS):  # told by the section
            continue
        form = known.values.get(name)
        if name in known.ours:
            yield Problem(f"`{name}` cannot be set by a recipe", value.named_at, known.ours[name])
        elif name in given:
            continue
        elif not known.has(name) and name not in _own(toolkit):
            yield Problem(f"`resources.env.{short(name)}`: a recipe may not set it", value.named_at, _hint(name))
        elif form and isinstance(value.value, str) and not re.fullmatch(form, value.value):
            yield Problem(
                f"`resources.env.{name}`: a recipe may not set it to such a value", value.named_at, _hint(name)
            )


def _own(toolkit: str | None) -> Sequence[str]:
    """The variables of a toolkit that decide nothing but what it computes."""
    try:
        return Environment.load(toolkit).names(NAMES) if toolkit else ()
    except InputError:  # told elsewhere
        return ()


def _hint(name: str) -> str:
    why = next((one.why for one in allowed().reasons if re.fullmatch(one.match, name, re.IGNORECASE)), "")
    near = "" if why else did_you_mean(name, allowed().names)
    if not _NAME.fullmatch(name):
        return "variables have names of letters, digits and underscores"
    parts = [
        why or near or "it is none of those that change only how fast or what a toolkit computes (NCCL_*, OMP_* ...)"
    ]
    return "; ".join([*parts, f"export it in the shell, or allow it for this recipe: {OPTION} {name}"])
