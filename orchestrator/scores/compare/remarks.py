"""What must be known to read a comparison, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from orchestrator.errors import listed
from orchestrator.scores.compare.agreement import tells_settings
from orchestrator.scores.compare.comparison import Comparison
from orchestrator.scores.compare.grouping import SEEDS
from orchestrator.scores.compare.intervals import FEW
from orchestrator.scores.compare.significance import ALPHA

MOST = 12  # names in a sentence


def remarks(comparison: Comparison) -> list[str]:
    """The sentences, the most important first."""
    return [
        *_odd(comparison),
        *_ways(comparison),
        *_tasks(comparison),
        *_columns(comparison),
        *_seeds(comparison),
        *_methods(comparison),
    ]


def _odd(comparison: Comparison) -> Iterator[str]:
    if comparison.odd:
        yield "! marks what is not comparable, and was compared because of --anyway."
    for one in comparison.odd:
        yield f"! {one.problem.message}."


def _ways(comparison: Comparison) -> Iterator[str]:
    """That some answers were chosen among the labels, and others not."""
    rows = [row for column in comparison.columns for run in column.runs for row in run.rows.values()]
    if len({str(row["decoding"] or "").startswith("labels") for row in rows}) > 1:
        yield (
            "Some runs took the most probable label as the answer (inference.answers: labels), where others said what "
            "they liked: a difference between these is also one between ways to answer."
        )


def _tasks(comparison: Comparison) -> Iterator[str]:
    others = [task for task in comparison.tasks if task not in comparison.common]
    if others:
        several = len(comparison.common) > 1
        over = f" Overall is over the {len(comparison.common)} tasks that all have." if several else ""
        yield f"Not all runs have {listed(others, MOST)}.{over}"
    if comparison.unweighted and len(comparison.common) > 1:
        yield f"{listed(comparison.unweighted, MOST)}: no published size, so overall counts the samples that there are."
    if comparison.undefined and any(entry.paired for entry in comparison.entries.values()):
        yield (
            f"{listed(comparison.undefined, MOST)}: not known here, so that samples count as independent, though they "
            "may come from dialogues; --data-root names the folder with the task's own task.yaml."
        )
    if comparison.few:
        yield (
            f"{listed(comparison.few, MOST)}: fewer than {FEW} dialogues "
            "(or samples), so that intervals tend to be too narrow."
        )


def _columns(comparison: Comparison) -> Iterator[str]:
    names = [f"`{name}`" for name in comparison.unpaired]
    if not names or len(comparison.columns) == 1:
        return
    if comparison.columns[0].name in comparison.unpaired:
        yield (
            "The baseline has no file of answers beside its CSV: all intervals of differences are unpaired, which are "
            "wider, of accuracy alone, and there is no p."
        )
    else:
        yield (
            f"{listed(names, MOST)}: no answers to the same samples at hand. Their intervals of differences are "
            "unpaired, which are wider, of accuracy alone, and there is no p."
        )


def _seeds(comparison: Comparison) -> Iterator[str]:
    several = [column for column in comparison.columns if len(column.runs) > 1]
    if comparison.options.seeds:
        runs = [run for column in comparison.columns for run in column.runs]
        if untold := [f"`{run.name}`" for run in runs if not tells_settings(run)]:
            yield (
                f"{listed(untold, MOST)}: the CSV does not tell the run's settings (an earlier version wrote it), and "
                "so it is not put together with others; running the recipe again writes it anew."
            )
        elif not several:
            yield "No two of the runs differ in their seed alone: --seeds puts none together."
    if comparison.alike:
        yield "Some runs differ in their seed alone: --seeds puts these together."
    if not several:
        return
    counts = [f"{len(column.runs)} of `{column.name}`" for column in several]
    yield f"Scores are means over seeds ({listed(counts, MOST)}); behind ± stands the standard deviation."
    if len(comparison.columns) > 1:
        yield "There is no p where runs of several seeds were put together."
    if any(len(column.runs) >= SEEDS for column in several):
        yield f"From {SEEDS} seeds on, intervals draw seeds, too: they say what others would give."
    if few := [f"`{column.name}`" for column in several if len(column.runs) < SEEDS]:
        yield (
            f"{listed(few, MOST)}: fewer than {SEEDS} seeds, so that intervals take these seeds as given and do not "
            "say what others would give."
        )


def _methods(comparison: Comparison) -> Iterator[str]:
    entries = [entry for entry in comparison.entries.values() if entry.difference is not None]
    if not entries:
        return
    first, draws, dialogues = comparison.columns[0].name, comparison.options.draws, comparison.dialogues
    yield f"Differences: to `{first}`, in percentage points, with 95% intervals."
    if any(entry.paired for entry in entries):
        units = _units(comparison)
        yield f"Intervals: paired bootstrap of {units}, {draws:,} draws, seed {comparison.options.seed}."
    family = [entry for entry in entries if entry.p is not None and entry.metric == "acc"]
    if family:
        tests = {
            "mcnemar": "McNemar's test (mid-p)",
            "sign-flip": "flipping the signs of whole dialogues (exact)",
        }
        used = " or, by task, ".join(tests[name] for name in tests if any(entry.test == name for entry in family))
        tail = f"; adjusted by Holm's method for the {len(family)} tests of each metric" if len(family) > 1 else ""
        also = " The overall score is not tested." if len(comparison.common) > 1 else ""
        yield f"p: accuracy by {used}; macro F1 by {draws:,} random swaps of {_units(comparison)}{tail}.{also}"
        needed = math.ceil(len(family) / ALPHA)
        if draws < needed:  # the smallest p of draws is 1 / (draws + 1), and Holm's method multiplies the first by all
            yield (
                f"Of {len(family):,} tests of macro F1 none can come below {ALPHA:g} with {draws:,} swaps, however "
                f"large the difference: --draws {needed} is the least that could."
            )
        yield "Only right: samples that the run alone, and those that the baseline alone, got right."
        yield (
            "Least: the smallest difference in accuracy that this test would call significant at 5% among as many "
            "samples that only one got right, before Holm's method; blank where none could be."
        )
    if dialogues and any(entry.paired for entry in entries):
        yield f"Dialogues are told by the ids of {listed(dialogues, MOST)}."


def _units(comparison: Comparison) -> str:
    if not comparison.dialogues:
        return "samples"
    whole = set(comparison.dialogues) >= {task.name for task in comparison.pairing.tasks}
    return "whole dialogues" if whole else "whole dialogues, where ids tell them, or samples"
