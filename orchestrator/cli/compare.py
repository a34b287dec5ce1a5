"""``compare``: runs side by side."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.benchmark.task import tasks
from orchestrator.cli.compare_data import as_csv, as_json
from orchestrator.cli.compare_tables import beside_table, flips_table, tables
from orchestrator.cli.grid import Grid, latex, markdown, plain
from orchestrator.cli.table import tell
from orchestrator.errors import InputError, Problem, did_you_mean
from orchestrator.recipe.sections import Data
from orchestrator.scores.compare.beside import Beside, beside
from orchestrator.scores.compare.comparison import Comparison, compare
from orchestrator.scores.compare.entry import Options
from orchestrator.scores.compare.flips import Flip, flips
from orchestrator.scores.compare.remarks import remarks
from orchestrator.scores.compare.runs import read_runs
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.results import OVERALL

Form = Literal["text", "json", "markdown", "latex", "csv"]
MOST_FLIPS = 20  # of a task and run
WIDEST, NARROWEST = 120, 20  # lines of sentences


@dataclass(frozen=True)
class Show:
    """What is shown.

    Attributes:
        form: how.
        flips: samples that only one of two runs got right.
        published: the published accuracies, too.
    """

    form: Form = "text"
    flips: bool = False
    published: bool = False


def print_comparison(
    named: Sequence[str], only: Sequence[str], results_dir: Path, data_root: Path | None, options: Options, show: Show
) -> None:
    """Compare runs and print how they differ.

    Args:
        named: results CSVs, folders of them, patterns, names of runs.
        only: only these tasks; none: all.
        results_dir: where runs are looked for by name.
        data_root: the folder with the data sets, which may bring tasks of their own.
        options: how they are compared.
        show: what is shown.

    Raises:
        InputError: files cannot be read, or runs may not be compared.
    """
    _go_together(options, show)
    known = tasks(data_root or Path(Data().root))
    sources, left_out = find_sources(named, results_dir)
    held = dict.fromkeys(task for source in sources for task in source.rows if task != OVERALL)
    if lacking := [task for task in only if task not in held]:
        raise InputError([Problem(f"no run has the task `{task}`", hint=did_you_mean(task, held)) for task in lacking])
    runs, notes = read_runs(sources, only, anyway=options.anyway)
    notes += left_out + [f"{run.name} is left out: it has none of these tasks" for run in runs if not run.rows]
    runs = [run for run in runs if run.rows]
    if len(runs) < 2 and not show.published:
        hint = "name another one; --published puts the published numbers beside it"
        raise InputError(f"only one run is named, `{runs[0].name}`: nothing to compare it with", hint=hint)
    comparison = compare(runs, known, options)
    said = [*notes, *remarks(comparison)]
    published = beside(comparison, known) if show.published else None
    if show.published:
        said += _about_published(comparison, published or [])
    found = flips(comparison) if show.flips else None
    if show.form == "json":
        tell(as_json(comparison, said, published, found))
    elif show.form == "csv":
        tell(as_csv(comparison))
        for note in notes:
            tell(f"note: {note}", file=sys.stderr)
    else:
        grids = tables(comparison) + ([beside_table(published)] if published else [])
        if found is not None:
            grids += _flips(found, comparison, said)
        _print(grids, said, show.form)


def one_form(asked: Mapping[Form, bool]) -> Form:
    """The form that was asked for.

    Raises:
        InputError: several were.
    """
    forms: list[Form] = [form for form, wanted in asked.items() if wanted]
    if len(forms) > 1:
        raise InputError(f"{' and '.join(f'--{form}' for form in forms)}: choose one of them")
    return forms[0] if forms else "text"


def _go_together(options: Options, show: Show) -> None:
    if show.flips and options.seeds:
        raise InputError("--flips is about single runs: leave out --seeds")
    if show.form == "csv" and (show.flips or show.published):
        raise InputError("--csv holds the runs' scores alone: ask for --flips and --published with --json")


def _about_published(comparison: Comparison, found: Sequence[Beside]) -> list[str]:
    about = "Published numbers are of one run each, of which no answers are known: intervals are unpaired."
    lines = [about] if found else []
    if parts := list(dict.fromkeys(f"{one.task} {one.n:,} of {one.size:,}" for one in found if one.n != one.size)):
        lines.append(f"Published numbers are of all published test samples; these runs answered {', '.join(parts)}.")
    for column in comparison.columns:
        if all(one.column != column.name for one in found):
            row = next(iter(column.runs[0].rows.values()))
            lines.append(f"Nothing is published for {row['model']}, {row['method']} (`{column.name}`).")
    return lines


def _flips(found: Sequence[Flip], comparison: Comparison, said: list[str]) -> list[Grid]:
    """The first flips of each task and run; how many more there are is said."""
    groups: dict[tuple[str, str], list[Flip]] = {}
    for one in found:
        groups.setdefault((one.column, one.task), []).append(one)
    if not found:
        said.append("No sample was answered right by one run alone, of those whose answers are at hand.")
        return []
    if any(len(group) > MOST_FLIPS for group in groups.values()):
        said.append(f"Of each task and run at most {MOST_FLIPS} samples are listed; --flips --json has all.")
    shown: dict[str, list[Flip]] = {}
    for (run, _), group in groups.items():
        shown.setdefault(run, []).extend(_mixed(group))
    return [flips_table(of_run, comparison.columns[0].name) for of_run in shown.values()]


def _mixed(group: Sequence[Flip]) -> list[Flip]:
    """At most so many, as many of either kind as there are."""
    lost, gained = ([one for one in group if one.gained is kind] for kind in (False, True))
    half = MOST_FLIPS // 2
    first = lost[: max(half, MOST_FLIPS - len(gained))]
    return first + gained[: MOST_FLIPS - len(first)]


def _print(grids: Sequence[Grid], said: Sequence[str], form: Form) -> None:
    if form == "markdown":
        tell("\n\n".join([*map(markdown, grids), "\n".join(f"- {line}" for line in said)]))
    elif form == "latex":
        tell("\n\n".join([*map(latex, grids), "\n".join(f"% {line}" for line in said)]))
    else:
        width, bold = shutil.get_terminal_size().columns, sys.stdout.isatty()
        print("\n\n".join(plain(grid, width, bold=bold) for grid in grids))  # its cells show what is hidden
        tell()
        if not bold and any(one.best for grid in grids for column in grid.columns for one in column.fields):
            said = ["* marks the best of a task.", *said]
        for line in said:
            tell(_filled(line, max(min(width, WIDEST), NARROWEST)))


def _filled(line: str, width: int) -> str:
    """A sentence in lines; names and paths stay whole for who copies them."""
    return textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
