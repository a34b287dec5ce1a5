"""``report``: runs as one page that opens from disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.benchmark.task import Tasks, tasks
from orchestrator.cli.report_folders import told
from orchestrator.cli.table import counted, tell
from orchestrator.data.forms import parse_columns
from orchestrator.data.leaks import Leak
from orchestrator.errors import InputError, Problem, did_you_mean, listed
from orchestrator.machine.files import atomic_write
from orchestrator.recipe.sections import Data
from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.compare.entry import Options as Compared
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import Source, find_sources
from orchestrator.scores.page.comparisons import check_baseline
from orchestrator.scores.page.figures import need_matplotlib, write_figures
from orchestrator.scores.page.parts import Options, content
from orchestrator.scores.page.render import page
from orchestrator.scores.page.utterances import Shown, read_leaks, read_utterances
from orchestrator.scores.results import OVERALL


@dataclass(frozen=True)
class Chosen:
    """What the page is made of.

    Attributes:
        results: results CSVs, folders of them, patterns, names of runs.
        results_dir: where runs are looked for by name.
        runs_dir: the folder with the runs' own folders, for learning curves and commands; others have none.
        tasks: only these; none: all.
        compared: with which baseline runs are compared, and how.
        published: whether published values are shown; ``None``: beside runs of that benchmark.
    """

    results: Sequence[str]
    results_dir: Path
    runs_dir: Path
    tasks: Sequence[str]
    compared: Compared
    published: bool | None


@dataclass(frozen=True)
class Texts:
    """Where the utterances and clips are that the page shows.

    Attributes:
        data_root: the folder with the data sets; ``None``: it shows none.
        video_root: where the clips lie, where not in their usual place.
        columns: names of the data's columns, as in `data.columns` of a recipe.
    """

    data_root: Path | None
    video_root: str | None
    columns: str | None


def write_report(out: Path, title: str, chosen: Chosen, texts: Texts, figures: Path | None = None) -> None:
    """Write the page.

    Args:
        out: the file to write.
        title: of the page.
        chosen: what it is made of.
        texts: where utterances and clips are.
        figures: a folder for the charts as files of their own; ``None``: none are written.

    Raises:
        InputError: there are no such results, or they or their answers are damaged.
    """
    if not chosen.results and not chosen.published:
        raise InputError("no results are named", hint="give a results CSV, or --published for what is published alone")
    if figures is not None:
        need_matplotlib()
    known = tasks(texts.data_root or Path(Data().root))
    sources, left_out = find_sources(chosen.results, chosen.results_dir) if chosen.results else ([], [])
    _spare(out, sources)
    runs, notes = _runs(sources, chosen.tasks)
    check_baseline(chosen.compared.baseline, runs)
    shown, lacking, leaks = _utterances(runs, known, texts)
    notes = [*left_out, *notes, *_without(runs), *lacking]
    curves, commands = told(runs, chosen.runs_dir)
    made = content(
        runs, known, Options(title, chosen.published, shown, notes, chosen.compared, curves, commands, leaks)
    )
    text = page(made)
    try:
        atomic_write(out, text)
        size = out.stat().st_size
    except OSError as error:
        raise InputError(Problem(f"the page cannot be written: {error.strerror}", str(out))) from error
    tell(f"{out}: {counted(len(runs), 'run')}, {size / 1e6:.1f} MB")
    if figures is not None:
        files, left_out = write_figures(figures, made)
        notes += left_out
        tell(f"{figures}: {counted(len(files) // 2, 'figure')}, each as SVG and PDF")
    for note in notes:
        tell(f"note: {note}", file=sys.stderr)


def _spare(out: Path, sources: Sequence[Source]) -> None:
    """See that the page does not replace what it is made of."""
    inputs = {os.path.realpath(file) for one in sources for file in (one.path, answers_path(one.path))}
    if os.path.realpath(out) in inputs:
        hint = "give --out another name, such as report.html"
        raise InputError(Problem("the page would replace results that it shows", str(out), hint))


def _runs(sources: Sequence[Source], only: Sequence[str]) -> tuple[list[Run], list[str]]:
    """The runs as far as they are about some tasks, and notes on those that are not."""
    held = list(dict.fromkeys(task for source in sources for task in source.rows if task != OVERALL))
    if sources and (lacking := [task for task in only if task not in held]):
        others = f"they are of {listed(held, 12)}"
        hints = [did_you_mean(task, held) or others for task in lacking]
        raise InputError(
            [Problem(f"no run has results of {task}", hint=hint) for task, hint in zip(lacking, hints, strict=True)]
        )
    runs, notes = read_runs(sources, only)
    notes += [f"{run.name} is left out: it has none of these tasks" for run in runs if not run.rows]
    # of some of the tasks, the overall score of all is none
    return [replace(run, overall=None) if only else run for run in runs if run.rows], notes


def _utterances(runs: Sequence[Run], known: Tasks, texts: Texts) -> tuple[Shown, list[str], list[Leak]]:
    if texts.data_root is None:
        return {}, [], []
    columns = parse_columns(texts.columns, texts.data_root)
    videos = texts.video_root or Data().video_root
    shown, notes = read_utterances(runs, known, texts.data_root, videos, columns)
    return shown, notes, read_leaks(runs, known, texts.data_root, videos, columns)


def _without(runs: Sequence[Run]) -> list[str]:
    """A note on runs whose answers are not at hand."""
    if not (lacking := [run.name for run in runs if run.answers is None]):
        return []
    return [f"No answers beside the results of {listed(lacking, 5)}: no confusion and no samples of these."]
