"""What a recipe may do that somebody else wrote: who runs it says so on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.recipe.variables import OPTION, checked_names


@dataclass(frozen=True)
class Trust:
    """What a command allows of its recipes.

    Attributes:
        variables: names that ``resources.env`` may hold beside those that any recipe may set (`--allow-env`).
        kept: the file is a run's own copy, or nothing is started: what it asks for was allowed, or is not done.
    """

    variables: frozenset[str] = frozenset()
    kept: bool = False

    def options(self) -> list[str]:
        """The same as words of a command line."""
        return [word for name in sorted(self.variables) for word in (OPTION, name)]


NONE = Trust()
KEPT = Trust(kept=True)


def trust_of(allow_env: Sequence[str] = (), *, kept: bool = False) -> Trust:
    """What a command line allows.

    Raises:
        InputError: a name of `--allow-env` is none, or is never a recipe's to set.
    """
    return Trust(checked_names(allow_env), kept)
