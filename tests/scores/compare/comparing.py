"""Comparisons of runs that are made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import tasks
from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.compare.comparison import Comparison, compare
from orchestrator.scores.compare.entry import Entry, Options
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from tests.scores.compare.made import Samples, write_run


def read(*paths: Path, anyway: bool = False) -> tuple[list[Run], list[str]]:
    """The runs in some files, and the notes on them."""
    return read_runs(find_sources(list(map(str, paths)), Path("results"))[0], anyway=anyway)


def compared(folder: Path, runs: Mapping[str, Mapping[str, Samples]], *alone: str, **how: Any) -> Comparison:
    """The comparison of some runs; of those named `alone` there is the CSV only."""
    paths = [write_run(folder, name, given) for name, given in runs.items()]
    for name in alone:
        answers_path(folder / f"{name}.csv").unlink()
    return compare(read(*paths)[0], tasks(), Options(**how))


def score(comparison: Comparison, task: str, column: str, metric: str = "acc") -> Entry:
    """A score that is there."""
    entry = comparison.entry(task, column, metric)
    assert entry is not None
    return entry
