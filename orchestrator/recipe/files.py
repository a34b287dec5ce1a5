"""The recipe files of a command, with what the command line changes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import InputError, Problem
from orchestrator.recipe.load import load_sweep
from orchestrator.recipe.recipe import Recipe, Swept
from orchestrator.recipe.trust import NONE, Trust


@dataclass(frozen=True)
class RecipeFiles:
    """Recipe files with what a command line changes of each: see `load_sweep`.

    ``swept``: what the only recipe is of a sweep, of which its file says nothing; ``trust``: what is allowed of all.
    """

    files: Sequence[Path]
    overrides: Sequence[str] = ()
    tasks: Sequence[str] = ()
    limit: int | None = None
    sweep: Sequence[str] = ()
    swept: Swept | None = None
    trust: Trust = NONE
    _whole: dict[Path, dict[str, Recipe]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def options(self) -> list[str]:
        """What the command line changes, as its words."""
        words = [word for text in self.overrides for word in ("--set", text)]
        words += [word for text in self.sweep for word in ("--sweep", text)]
        words += [word for name in self.tasks for word in ("--task", name)]
        words += self.trust.options()
        return words + (["--limit", str(self.limit)] if self.limit is not None else [])

    def load(self) -> list[Recipe]:
        """Load the recipes: of each file one, or one for each combination of a sweep.

        Raises:
            InputError: any of them is wrong, or two would write to the same place; all problems at once.
        """
        recipes: dict[str, Recipe] = {}
        problems: list[Problem] = []
        for file in self.files:
            try:
                found = self._of(file, self.tasks)
            except InputError as error:
                problems += [problem for problem in error.problems if problem not in problems]
                continue
            hint = "both would write to the same folder: give one of them another `name`"
            twins = [(recipe.name, recipes[recipe.name]) for recipe in found if recipe.name in recipes]
            problems += [
                Problem(f"the name `{name}` is also that of {other.source}", str(file), hint) for name, other in twins
            ]
            recipes |= {recipe.name: recipe for recipe in found}
        if problems:
            raise InputError(problems)
        return list(recipes.values())

    def with_all_tasks(self, recipe: Recipe) -> Recipe:
        """One of the recipes with its file's own tasks and, behind them, those of the command line.

        Raises:
            InputError: it is wrong.
        """
        file = recipe.source
        assert file is not None
        if file not in self._whole:
            own = self._of(file, ())[0].tasks
            found = self._of(file, tuple(dict.fromkeys((*own, *self.tasks))))
            self._whole[file] = {one.name: one for one in found}
        return self._whole[file][recipe.name]

    def _of(self, file: Path, tasks: Sequence[str]) -> list[Recipe]:
        found = load_sweep(file, self.overrides, tasks, self.limit, self.sweep, self.trust)
        return [one.of_sweep(self.swept) for one in found] if self.swept else found
