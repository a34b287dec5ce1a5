"""``report``: runs as one page that opens from disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.benchmark.task import tasks
from orchestrator.cli.table import counted
from orchestrator.data.forms import parse_columns
from orchestrator.errors import InputError, Problem
from orchestrator.machine.files import atomic_write
from orchestrator.recipe.sections import Data
from orchestrator.scores.compare.entry import Options as Compared
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.page.comparisons import check_baseline
from orchestrator.scores.page.render import Options, page
from orchestrator.scores.page.utterances import Shown, read_utterances


def write_report(
    named: Sequence[str], out: Path, results_dir: Path, names: Sequence[str], title: str, data_root: Path | None,
    video_root: str | None, columns: str | None, compared: Compared, *, published: bool | None,
) -> None:  # fmt: skip
    """Write the page.

    Args:
        named: results CSVs, folders of them, patterns, names of runs.
        out: the file to write.
        results_dir: where runs are looked for by name.
        names: only these tasks; none: all.
        title: of the page.
        data_root: the folder with the data sets, whose utterances and clips the page then shows; ``None``: it has none.
        video_root: where the clips lie, where not in their usual place.
        columns: names of the data's columns, as in `data.columns` of a recipe.
        compared: with which baseline runs are compared, and how.
        published: whether published values are shown; ``None``: beside runs of that benchmark.

    Raises:
        InputError: there are no such results, or they or their answers are damaged.
    """
    if not named and not published:
        raise InputError("no results are named", hint="give a results CSV, or --published for what is published alone")
    known = tasks(data_root or Path(Data().root))
    chosen = [known.named(name).name for name in names]
    sources, notes = find_sources(named, results_dir) if named else ([], [])
    runs, more = read_runs(sources, chosen)
    runs = [run for run in runs if run.rows]
    if named and not runs:
        raise InputError(f"no run has results of {', '.join(names)}")
    check_baseline(compared.baseline, runs)
    shown: Shown = {}
    if data_root is not None:
        names_of = parse_columns(columns, data_root)
        shown, lacking = read_utterances(runs, known, data_root, video_root or Data().video_root, names_of)
        more = [*more, *lacking]
    text = page(runs, known, Options(title, published, shown, (*notes, *more, *_without(runs)), compared))
    try:
        atomic_write(out, text)
    except OSError as error:
        raise InputError(Problem(f"the page cannot be written: {error.strerror}", str(out))) from error
    size = len(text.encode("utf-8", "replace"))
    print(f"{out}: {counted(len(runs), 'run')}, {size / 1e6:.1f} MB")
    for note in (*notes, *more):
        print(f"note: {note}", file=sys.stderr)


def _without(runs: Sequence[Run]) -> list[str]:
    """A note on runs whose answers are not at hand."""
    lacking = [run.name for run in runs if run.answers is None]
    return (
        [f"No answers beside the results of {', '.join(lacking)}: no confusion and no samples of them."]
        if lacking
        else []
    )
