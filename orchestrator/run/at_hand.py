"""The recipes at hand: what of a runs folder they lead to is still wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import InputError, Problem
from orchestrator.machine.checkout import RECIPES
from orchestrator.plan.make import job_tasks, make_plan
from orchestrator.plan.plan import Job
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sweep_names import is_of_sweep
from orchestrator.recipe.trust import KEPT
from orchestrator.run import RECIPE

_FROM = ", from: "  # in the head of a kept recipe, before the file that it was made from and the words that changed it


class Wanted(NamedTuple):
    """A job of a recipe at hand. ``kept``: the recipe is the one that the run keeps, which was run last."""

    job: Job
    kept: bool


@dataclass(frozen=True)
class AtHand:
    """Recipes by the name of the run that they lead to, and which runs a command is about.

    Attributes:
        recipes: those that come with the project, those that the command names, and these as its options change them.
        named: the names of runs that the command is about; all, if none.
        sweeps: the runs of these runs' sweeps are meant, too.
        jobs: the names of the jobs that the command is about; all, if none.
    """

    recipes: dict[str, list[Recipe]]
    named: Sequence[str] = ()
    sweeps: bool = True
    jobs: frozenset[str] = frozenset()
    _seen: dict[str, str | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, asked: RecipeFiles) -> AtHand:
        """Read the recipes.

        Raises:
            InputError: one that the command names is wrong; or any, where it names none; or options change none.
        """
        if asked.options() and not asked.files:
            raise InputError(f"{asked.options()[0]} changes a recipe, and none is named", hint="name the recipe's file")
        recipes: dict[str, list[Recipe]] = {}
        wanted = asked.load()
        for recipe in (*wanted, *_plain(asked.files), *_shipped(strict=not asked.files)):
            recipes.setdefault(recipe.name, []).append(recipe)
        jobs = {name for recipe in wanted for name in job_tasks(recipe)} if asked.tasks else set()
        names = [recipe.name for recipe in wanted]
        return cls(recipes, names, sweeps=not asked.sweep, jobs=frozenset(jobs))

    def runs(self, runs_dir: Path) -> list[Path]:
        """The folders of the runs that the command is about."""
        folders = [path for path in sorted(runs_dir.glob("*")) if path.is_dir() and not path.name.startswith(".")]
        return [folder for folder in folders if self._is_meant(folder.name)]

    def _is_meant(self, run: str) -> bool:
        swept = self.sweeps and any(is_of_sweep(run, name) for name in self.named)
        return not self.named or run in self.named or swept

    def jobs_of(self, run: Path) -> dict[str, list[Wanted]]:
        """The jobs that recipes at hand have in a run's folder, by name: also the recipe that the run keeps there.

        Raises:
            InputError: that one cannot be read; or what a recipe leads to cannot be told.
        """
        kept = _kept(run)
        others = [recipe for recipe in _plain(_origin(run / RECIPE)) if recipe.name == run.name] if kept else []
        found: dict[str, list[Wanted]] = {}
        for at, recipe in enumerate((*kept, *others, *self.recipes.get(run.name, ()))):
            # merged weights are wanted by whoever once asked for them
            for job in make_plan(recipe, run.parent, merge=True, seen=self._seen).jobs:
                found.setdefault(job.name, []).append(Wanted(job, at < len(kept)))
        return found


def _plain(files: Sequence[Path]) -> Iterator[Recipe]:
    """Recipe files as they are, without a command's options; one that takes these to be right leads nowhere."""
    for file in files:
        with contextlib.suppress(InputError):
            yield from RecipeFiles([file], trust=KEPT).load()


def _shipped(*, strict: bool) -> Iterator[Recipe]:
    for file in sorted(RECIPES.glob("*.yaml")):
        try:
            yield from RecipeFiles([file]).load()
        except InputError as error:
            if strict:
                raise InputError([*error.problems, _unread(file)]) from None


def _unread(file: Path) -> Problem:
    hint = "mend it, or name the recipes whose runs are to be looked at"
    return Problem("what it leads to cannot be told", str(file), hint)


def _kept(run: Path) -> list[Recipe]:
    """The recipe that a run keeps; none where there is none, or one of another name.

    Raises:
        InputError: it cannot be read.
    """
    kept = run / RECIPE
    found = [load_recipe(kept, trust=KEPT)] if kept.is_file() else []
    return [recipe for recipe in found if recipe.name == run.name]


def _origin(kept: Path) -> list[Path]:
    """The file that a kept recipe was made from, as its head says; none where it is gone, or has an odd name."""
    words = kept.read_text("utf-8", "replace").partition("\n")[0].partition(_FROM)[2].split(" --")
    named = (Path(" --".join(words[:end])) for end in range(len(words), 0, -1))
    with contextlib.suppress(OSError):  # too long a name
        return [file for file in named if file.is_absolute() and file.is_file()][:1]
    return []
