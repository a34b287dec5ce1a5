"""Runs against a baseline: every score, and what sets it apart from the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.benchmark.task import Task
from orchestrator.errors import InputError, Problem, capped, did_you_mean, listed
from orchestrator.scores.compare.agreement import Unlike, differing, unlike
from orchestrator.scores.compare.columns import Column, by_seed
from orchestrator.scores.compare.entries import make_entries
from orchestrator.scores.compare.entry import Entry, Options
from orchestrator.scores.compare.pairing import Pairing, pair
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.results import OVERALL

ANYWAY = "--anyway compares them all the same, and marks the rows"


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        columns: what is compared, the baseline first.
        tasks: of any of them, the baseline's first.
        common: the tasks that all have, over which `overall` is; one alone has none.
        entries: by task, column and metric, in this order.
        differs: settings that are not the same in all columns, with the value of each.
        few: tasks with so few dialogues that intervals are too narrow.
        dialogues: tasks whose samples come from dialogues.
        unpaired: columns whose answers are not at hand, or are not to the same samples as the baseline's.
        odd: what keeps columns from being compared on a task, and was compared all the same.
        unweighted: tasks whose published size is not known: they weigh as many samples as they have.
        undefined: tasks that nobody here knows, and so whether their samples come from dialogues.
        alike: whether runs differ in their seed alone, and were not put together.
        options: how it was made.
    """

    columns: tuple[Column, ...]
    tasks: tuple[str, ...]
    common: tuple[str, ...]
    entries: Mapping[tuple[str, str, str], Entry]
    differs: Mapping[str, Sequence[str]]
    few: tuple[str, ...]
    dialogues: tuple[str, ...]
    unpaired: tuple[str, ...]
    odd: tuple[Unlike, ...]
    unweighted: tuple[str, ...]
    undefined: tuple[str, ...]
    alike: bool
    options: Options
    pairing: Pairing = field(repr=False)

    @property
    def rows(self) -> tuple[str, ...]:
        """The tasks, behind several the overall score."""
        return (*self.tasks, *([OVERALL] if len(self.common) > 1 else []))

    def entry(self, task: str, column: str, metric: str) -> Entry | None:
        """A score, where there is one."""
        return self.entries.get((task, column, metric))


def compare(runs: Sequence[Run], known: Mapping[str, Task], options: Options) -> Comparison:
    """Compare runs.

    Args:
        runs: at least one.
        known: tasks by name: their published sizes weigh the overall score, their samples' ids tell dialogues.
        options: how.

    Raises:
        InputError: no run has the baseline's name, the runs have no task in common, or they may not be compared.
    """
    columns = _columns(runs, options)
    runs = [run for column in columns for run in column.runs]
    tasks = tuple(dict.fromkeys(task for run in runs for task in run.rows))
    common = tuple(task for task in tasks if all(task in run.rows for run in runs))
    if not common:
        held = "; ".join(f"{run.name} has {listed(list(run.rows), 3)}" for run in runs[:5])
        raise InputError("the runs have no task in common", hint=held)
    odd = unlike(*runs)
    if odd and not options.anyway:
        problems = [one.problem for one in odd]
        raise InputError([*capped(problems), Problem("these may not be compared", hint=ANYWAY)])
    weights = {task: _weight(task, runs, known) for task in tasks}
    counted = {task: weights[task] if task in common else 0.0 for task in tasks}
    strangers = {one.run for one in odd if {"data", "n"} & set(one.parts) and one.task in runs[0].rows}
    pairing = pair(runs, known, counted, strangers)
    entries, few = make_entries(columns, tasks, common, weights, pairing, options)
    _mark(entries, columns, odd, common)
    return Comparison(
        columns=tuple(columns),
        tasks=tasks,
        common=common,
        entries=entries,
        differs=_differs(columns, common),
        few=few,
        dialogues=tuple(task.name for task in pairing.tasks if task.clusters is not None),
        unpaired=tuple(column.name for column in columns if any(pairing.place(run) is None for run in column.runs)),
        odd=tuple(odd),
        unweighted=tuple(task for task in common if _published_size(task, runs, known) is None),
        undefined=tuple(task for task in tasks if task not in known),
        alike=not options.seeds and any(len(column.runs) > 1 for column in by_seed(runs, strict=False)),
        options=options,
        pairing=pairing,
    )


def _columns(runs: Sequence[Run], options: Options) -> list[Column]:
    columns = by_seed(runs) if options.seeds else [Column(run.name, (run,)) for run in runs]
    if not options.baseline:
        return columns
    for column in columns:
        if options.baseline in (column.name, *(name for run in column.runs for name in (run.name, str(run.path)))):
            return [column, *(other for other in columns if other is not column)]
    names = [column.name for column in columns]
    hint = did_you_mean(options.baseline, names) or f"the runs are {listed(names, 10)}"
    raise InputError(f"no run `{options.baseline}` to be the baseline", hint=hint)


def _differs(columns: Sequence[Column], common: Sequence[str]) -> dict[str, list[str]]:
    """The settings that are not the same in all columns; of runs that were put together all seeds."""
    found = differing([column.runs[0] for column in columns], common)
    seeds = [[str(next(iter(run.rows.values()))["seed"]) for run in column.runs] for column in columns]
    if any(seeds[0] != one for one in seeds):
        found["seed"] = [", ".join(one) for one in seeds]
    else:
        found.pop("seed", None)
    return found


def _weight(task: str, runs: Sequence[Run], known: Mapping[str, Task]) -> float:
    """A task's weight in the overall score: the published size of the split, as on the leaderboard."""
    rows = (run.rows[task] for run in runs if task in run.rows)
    return float(_published_size(task, runs, known) or next(rows)["n"])


def _published_size(task: str, runs: Sequence[Run], known: Mapping[str, Task]) -> int | None:
    rows = (run.rows[task] for run in runs if task in run.rows)
    return known[task].sizes.get(str(next(rows)["split"])) if task in known else None


def _mark(
    entries: Mapping[tuple[str, str, str], Entry], columns: Sequence[Column], odd: Sequence[Unlike],
    common: Sequence[str],
) -> None:  # fmt: skip
    """Write to the entries what makes them not comparable; the overall score has the faults of all its tasks."""
    of_run = {run.name: column.name for column in columns for run in column.runs}
    for one in odd:
        for (task, column, _), entry in entries.items():
            if column == of_run[one.run] and (task == one.task or (task == OVERALL and one.task in common)):
                entry.unlike = tuple(dict.fromkeys((*entry.unlike, *one.parts)))
