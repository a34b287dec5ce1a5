"""Samples that only one of two runs got right."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.scores.compare.comparison import Comparison


class Flip(NamedTuple):
    """A sample on which a run and the baseline differ, and one of them is right.

    Attributes:
        task: its task.
        column: the run.
        id: the sample's.
        label: the true one.
        baseline_answer: what the baseline answered: a label, or ``unknown``, ``multi``, ``empty``, ``error``.
        baseline_text: the text in which there was no label, or several.
        run_answer, run_text: of the run.
        gained: the run is right; else the baseline is.
    """

    task: str
    column: str
    id: str
    label: str
    baseline_answer: str
    baseline_text: str | None
    run_answer: str
    run_text: str | None
    gained: bool


def flips(comparison: Comparison) -> list[Flip]:
    """All such samples of all runs whose answers are paired with the baseline's, by run and task, losses first."""
    found: list[Flip] = []
    first = comparison.columns[0].runs[0]
    for column in comparison.columns[1:]:
        run = column.runs[0]
        if len(column.runs) > 1 or column.name in comparison.unpaired or not (first.answers and run.answers):
            continue
        for task in (task for task in comparison.tasks if task in first.rows and task in run.rows):
            ours = first.answers[task]
            theirs = run.answers[task].ordered(ours.ids)
            classes = list(dict.fromkeys((*ours.classes, *theirs.classes)))
            ours, theirs = ours.coded(classes), theirs.coded(classes)
            right, now = ours.said == ours.truth, theirs.said == theirs.truth
            for gained, places in ((False, right & ~now), (True, now & ~right)):
                for place in map(int, places.nonzero()[0]):
                    said = [(one.word(place), one.texts.get(place)) for one in (ours, theirs)]
                    sample = ours.ids[place], ours.label(place)
                    found.append(Flip(task, column.name, *sample, *said[0], *said[1], gained))
    return found
