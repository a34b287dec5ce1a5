"""The rows of a file by the recipe and the task that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.benchmark.task import Task
from orchestrator.errors import InputError, Problem, capped, did_you_mean, short
from orchestrator.scores.records import Record, Records

# columns by which answers are known that a run wrote beside its results
ANSWER_FIELDS = ("recipe", "task", "id", "label", "answer", "outcome")


def by_recipe(records: Records) -> list[tuple[str | None, Records]]:
    """The rows by their column `recipe`, where they are answers of several recipes as a run writes them."""
    if not set(ANSWER_FIELDS) <= set(records.columns):
        return [(records.origin.recipe if records.origin else None, records)]
    groups: dict[str, list[Record]] = {}
    for record in records.rows:
        groups.setdefault(str(record.fields.get("recipe") or ""), []).append(record)
    return [(name or None, replace(records, rows=rows)) for name, rows in groups.items()]


def of_task(records: Records, task: Task | None, known: Mapping[str, Task]) -> list[tuple[Task, Records]]:
    """The rows by task: by that which each names, or all of the one that is given; of a run's own those of it.

    Raises:
        InputError: rows name no task, or of a run's own there are none of the one that is given.
    """
    own = records.origin is not None or set(ANSWER_FIELDS) <= set(records.columns)
    if task is None:
        return _by_task(records, records.origin.tasks if records.origin else known)
    if not own:
        return [(task, records)]
    rows = [record for record in records.rows if record.fields.get("task") == task.name]
    if not rows:
        there = ", ".join(dict.fromkeys(str(record.fields.get("task")) for record in records.rows))
        raise InputError(f"no answers to {task.name}", str(records.path), f"it holds those to {there}")
    return [(task, replace(records, rows=rows))]


def _by_task(records: Records, tasks: Mapping[str, Task]) -> list[tuple[Task, Records]]:
    column = records.sole("task")
    if column is None:
        raise InputError("no column `task`", str(records.path), "name the task of all rows: --task MELD")
    known = {name.lower(): task for name, task in tasks.items()}
    groups: dict[str, list[Record]] = {}
    problems: dict[str, Problem] = {}
    for record in records.rows:
        name = str(record.fields.get(column) or "").strip().lower()
        if name in known:
            groups.setdefault(name, []).append(record)
        else:
            hint = did_you_mean(name, known) or "or name the task of all rows: --task MELD"
            problems.setdefault(name, Problem(f"`{short(name)}` is not a task", f"{records.path}:{record.line}", hint))
    if problems:
        raise InputError(capped(list(problems.values()), str(records.path)))
    return [(known[name], replace(records, rows=group)) for name, group in groups.items()]
