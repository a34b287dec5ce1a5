"""The answers of several runs to the same samples, side by side, for tests and intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.benchmark.task import Task
from orchestrator.scores.compare.agreement import same_samples
from orchestrator.scores.compare.answers import Answers
from orchestrator.scores.compare.paired import Codes, Paired, dialogue_codes
from orchestrator.scores.compare.runs import Run

NOT_DONE = -1  # in the whole row of a run that did not do a task: see `Paired.answers`


@dataclass(frozen=True)
class Pairing:
    """Runs that can be compared sample by sample.

    Attributes:
        runs: the baseline first.
        tasks: those of the baseline.
    """

    runs: tuple[Run, ...]
    tasks: tuple[Paired, ...]

    def place(self, run: Run) -> int | None:
        """A run's row in the tasks' answers; ``None`` where it is not among them."""
        return next((place for place, one in enumerate(self.runs) if one is run), None)


def pair(
    runs: Sequence[Run], known: Mapping[str, Task], weights: Mapping[str, float], unlike: Collection[str]
) -> Pairing:
    """Pair runs with the first one, which is the baseline.

    Args:
        runs: the baseline first.
        known: tasks by name, which know dialogues by the samples' ids.
        weights: of the tasks in the overall score; 0: not in it.
        unlike: names of runs that answered other samples.

    Returns:
        Those with answers at hand, to the same samples; none where the baseline has no answers.
    """
    baseline = runs[0]
    if baseline.answers is None:
        return Pairing((), ())
    chosen = [run for run in runs if run.answers is not None and _alike(baseline, run) and run.name not in unlike]
    tasks = [_paired(task, chosen, known.get(task), weights[task]) for task in baseline.rows]
    return Pairing(tuple(chosen), tuple(tasks))


def _alike(baseline: Run, run: Run) -> bool:
    ours, theirs = baseline.answers or {}, run.answers or {}
    return all(same_samples(ours[task], theirs[task]) for task in baseline.rows if task in run.rows)


def _paired(task: str, runs: Sequence[Run], known: Task | None, weight: float) -> Paired:
    given = [_answers(run, task) for run in runs]
    first = next(one for one in given if one is not None)
    classes = list(dict.fromkeys(name for one in given if one is not None for name in one.classes))
    rows: list[Codes] = []
    for one in given:
        if one is None:
            rows.append(np.full(len(first.ids), NOT_DONE))
        else:
            rows.append(one.ordered(first.ids).coded(classes).scored())
    dialogues = dialogue_codes([known.dialogue_of(name) for name in first.ids]) if known else None
    return Paired(task, first.coded(classes).truth, np.stack(rows), len(classes), dialogues, weight)


def _answers(run: Run, task: str) -> Answers | None:
    return run.answers[task] if run.answers and task in run.rows else None
