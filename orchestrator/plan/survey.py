"""A plan that is looked at before anything is launched, and what was read on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.benchmark.task import Task
from orchestrator.data.samples import Sample
from orchestrator.errors import Problem
from orchestrator.plan.plan import Job, Plan
from orchestrator.prompts.examples import samples_of
from orchestrator.recipe.recipe import Recipe

# options are called as their user spells them, with dashes or blanks
_KEY = re.compile(r"(train\.extra\.[^:]+|[a-z]+(\.\w+)+)(?=: )")

Rows = dict[tuple[str, str, str], Sequence[Sample]]  # by task, split and the recipe's section `data`


@dataclass(frozen=True)
class Note:
    """Something that a user should know and that stops nothing."""

    text: str


@dataclass
class Survey:
    """A plan that is looked at, and the samples that were read on the way.

    ``everything``: also look at jobs that are done; ``samples`` by task and split; ``clips``, ``None`` for a sample
    without one, by job and split; ``rows``: what was read for other plans, see `problems_of`.
    """

    plan: Plan
    everything: bool
    rows: Rows
    samples: dict[Task, dict[str, Sequence[Sample]]] = field(default_factory=dict)
    clips: dict[tuple[str, str], list[str | None]] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Job]:
        """The jobs that are looked at."""
        return [job for job in self.plan.jobs if self.everything or not job.done]

    @property
    def recipe(self) -> Recipe:
        """The plan's recipe."""
        return self.plan.recipe

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem of the key that the message begins with (``model.path: ...``), else of the recipe as a whole."""
        return problem_of(self.recipe, message, hint)

    def read(self, task: Task, split: str) -> Sequence[Sample]:
        """A split's samples.

        Raises:
            InputError: the file is missing, or rows are wrong.
        """
        key = (task.name, split, self.recipe.data.model_dump_json())
        if key not in self.rows:
            self.rows[key] = samples_of(self.recipe, task, split)
        return self.rows[key]


Check = Callable[[Survey], Iterator[Problem | Note]]


def problem_of(recipe: Recipe, message: str, hint: str = "") -> Problem:
    """A problem of the key of a recipe that the message begins with, else of the recipe as a whole."""
    key = _KEY.match(message)
    return Problem(message, recipe.place(key[0] if key else ""), hint)
