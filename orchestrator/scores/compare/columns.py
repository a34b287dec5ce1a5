"""The columns of a comparison: single runs, or runs that differ in their seed alone, put together."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.errors import InputError, Problem
from orchestrator.scores.compare.agreement import settings_of, tells_settings
from orchestrator.scores.compare.runs import Run

_SEED = re.compile(r"[-_.+,@]?seed[-_=]?\d+")
# what may differ between runs of the same settings
NO_SETTING = ("seed", "git_commit", "checkpoint")


class Column(NamedTuple):
    """What is compared with the baseline.

    Attributes:
        name: the run's, or what the runs' names have in common.
        runs: one run; several that differ in their seed.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that all of its runs have."""
        return tuple(task for task in self.runs[0].rows if all(task in run.rows for run in self.runs))


def by_seed(runs: Sequence[Run], *, strict: bool = True) -> list[Column]:
    """Runs of the same settings put together, in the order of their first ones.

    A run whose CSV does not tell its settings stays alone.

    Args:
        runs: the runs.
        strict: that no two of a column may have the same seed.

    Raises:
        InputError: two of them have.
    """
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault(_key(run) if tells_settings(run) else id(run), []).append(run)
    problems = []
    for group in groups.values():
        seeds: dict[object, Run] = {}
        for run in group:
            first = seeds.setdefault(_seed(run), run)
            if first is not run:
                message = f"`{first.name}` and `{run.name}` have the same settings and the same seed"
                hint = "name one of them, or leave out --seeds: together they would count one seed twice"
                problems.append(Problem(message, str(run.path), hint))
    if problems and strict:
        raise InputError(problems)
    columns = [Column(_name(group), tuple(group)) for group in groups.values()]
    names = [column.name for column in columns]
    return [
        Column(column.runs[0].name if names.count(column.name) > 1 else column.name, column.runs) for column in columns
    ]


def _key(run: Run) -> str:
    settings = settings_of(run, list(run.rows))
    return repr((list(run.rows), sorted((name, value) for name, value in settings.items() if name not in NO_SETTING)))


def _seed(run: Run) -> object:
    return next(iter(run.rows.values()))["seed"]


def _name(group: Sequence[Run]) -> str:
    names = [run.name for run in group]
    if len(names) == 1:
        return names[0]
    without = {_SEED.sub("", name) for name in names}
    common = os.path.commonprefix(names)  # noqa: RUF071 (of names, not of paths)
    name = without.pop() if len(without) == 1 else common.rstrip("-_.+,@=0123456789")
    return name or names[0]
