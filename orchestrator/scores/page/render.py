"""The page: what the runs say, filled into the templates with the script and the style inside."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.benchmark.published import published
from orchestrator.benchmark.task import OWN, Task, Tasks
from orchestrator.errors import listed, visible
from orchestrator.scores.compare.entry import Options as Compared
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.page import facts
from orchestrator.scores.page.boards import Board, boards
from orchestrator.scores.page.charts import Panel, Radar, panels, radar
from orchestrator.scores.page.comparisons import Forest, forest
from orchestrator.scores.page.curves import Training, curve
from orchestrator.scores.page.entries import MMLA, Entry, published_entries, run_entry
from orchestrator.scores.page.samples import Utterance, packed_sets, sample_sets
from orchestrator.scores.results import COLUMNS, OVERALL

HERE = Path(__file__).parent
SCRIPTS = ("page.js", "packed.js", "matrix.js", "samples.js")
METRICS = ("acc", "f1", "f1_labels", "precision", "recall", "wf1", "wp", *facts.RATES)
BENCHMARKS = {MMLA: "MMLA", OWN: "Tasks of one's own"}


@dataclass(frozen=True)
class Part:
    """What the page shows of one benchmark.

    Attributes:
        key: names it in the page.
        title: of the benchmark.
        tasks: those that a run, or a published value, is about.
        entries: its runs, and what is published.
        runs: their positions among all runs.
    """

    key: str
    title: str
    tasks: tuple[Task, ...]
    entries: tuple[Entry, ...]
    runs: tuple[int, ...]
    boards: Sequence[Board]
    panels: Sequence[Panel]
    radar: Radar | None
    differing: Mapping[str, Sequence[str]]
    forest: Forest | None


@dataclass(frozen=True)
class Options:
    """What the reader of the page is given besides the results.

    Attributes:
        title: of the page.
        published: whether published values are shown; ``None``: where a run is of that benchmark.
        shown: by task and id, the utterances and clips.
        notes: what was left out.
        compared: with which baseline runs are compared, and how.
        trainings: those behind the runs.
    """

    title: str = "Results"
    published: bool | None = None
    shown: Mapping[str, Mapping[str, Utterance]] | None = None
    notes: Sequence[str] = ()
    compared: Compared = field(default_factory=Compared)
    trainings: Sequence[Training] = ()


def page(runs: Sequence[Run], known: Tasks, options: Options) -> str:
    """The page as HTML, complete in itself.

    Args:
        runs: the runs.
        known: the tasks that can be named.
        options: what else is shown.
    """
    tasks = {name: known.get(name) or _stranger(name, runs) for name in _names(runs, known)}
    parts = _parts(runs, tasks, known, options)
    sets = sample_sets(runs, tasks)
    packed, cut = packed_sets(sets, {name: len(task.labels) for name, task in tasks.items()}, options.shown or {})
    data = {
        "runs": [{"name": run.name} for run in runs],
        "sets": packed,
        "metrics": {name: _scores(runs, name) for name in METRICS},
        "about": {name: COLUMNS[name] for name in METRICS},
    }
    notes = list(options.notes)
    if cut is not None:
        notes.append(f"Answers longer than {cut:,} characters are cut: the file of answers beside the results has all.")
    script, style = _asset(*SCRIPTS), _asset("page.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "media-src file:; base-uri 'none'; form-action 'none'"
    )
    values: dict[str, Any] = {
        "title": options.title, "parts": parts, "runs": runs, "notes": notes, "policy": policy,
        "script": Markup(script), "style": Markup(style), "data": Markup(_embedded(data)),
        "quality": facts.quality(runs), "costs": facts.costs(runs), "origins": facts.origins(runs),
        "rates": facts.RATES, "metrics": METRICS, "about": COLUMNS, "has_samples": bool(packed),
        "has_texts": bool(options.shown), "sources": list(dict.fromkeys(value.source for value in published())),
        "summary": _summary(runs, tasks),
        "curves": [drawn for training in options.trainings if (drawn := curve(training))],
    }  # fmt: skip
    return _environment().get_template("page.html.j2").render(values)


def _names(runs: Sequence[Run], known: Tasks) -> list[str]:
    """The tasks of the runs, in the order of the known ones."""
    held = dict.fromkeys(task for run in runs for task in run.rows)
    return [name for name in known if name in held] + [name for name in held if name not in known]


def _stranger(name: str, runs: Sequence[Run]) -> Task:
    """A task that is not defined here, as far as its results tell."""
    row = next(run.rows[name] for run in runs if name in run.rows)
    labels = sorted(
        {label for run in runs if run.answers and name in run.answers for label in run.answers[name].classes}
    )
    dimension = str(row["dimension"] or "label")
    size = {str(row["split"]): row["n"] or 0}
    return Task(name, name, dimension, dimension, tuple(labels), "", size, (name,), "", OWN, False)


def _parts(runs: Sequence[Run], tasks: Mapping[str, Task], known: Tasks, options: Options) -> list[Part]:
    """The benchmarks of the runs, each with its own leaderboards and charts."""
    names = list(dict.fromkeys(task.benchmark for task in tasks.values()))
    if options.published and MMLA not in names:
        names.append(MMLA)
    found = []
    for name in names:
        # of the tasks of one's own there is no list that a run could be complete in
        here = {key: task for key, task in tasks.items() if task.benchmark == name} if name == OWN else known.of(name)
        places = [place for place, run in enumerate(runs) if here.keys() & run.rows.keys()]
        some = [_within(runs[place], here) for place in places]
        whole = here if name != OWN else {}
        entries = [run_entry(run, place, whole) for place, run in zip(places, some, strict=True)]
        if name == MMLA and options.published is not False:
            entries += published_entries()
        sizes = {key: float(task.sizes.get("test", 0)) for key, task in here.items()}
        kept = tuple(task for key, task in here.items() if any(key in entry.acc for entry in entries))
        found.append(
            Part(
                name, BENCHMARKS.get(name, name), kept, tuple(entries), tuple(places), boards(entries, sizes),
                panels(entries, kept, facts.majority(some)), radar(entries, kept), facts.differences(some),
                forest(some, here, options.compared),
            )
        )  # fmt: skip
    return found


def _within(run: Run, tasks: Mapping[str, Task]) -> Run:
    """A run as far as it is about some tasks: its overall score counts where it is about no other."""
    if run.rows.keys() <= tasks.keys():
        return run
    return replace(run, rows={task: row for task, row in run.rows.items() if task in tasks}, overall=None)


def _scores(runs: Sequence[Run], metric: str) -> list[dict[str, float]]:
    """By run, a score of each task and of all."""
    found = []
    for run in runs:
        rows = [*run.rows.items(), *([(OVERALL, run.overall)] if run.overall else [])]
        found.append({task: row[metric] for task, row in rows if row.get(metric) is not None})
    return found


def _summary(runs: Sequence[Run], tasks: Mapping[str, Task]) -> str:
    count = f"{len(runs):,} run{'' if len(runs) == 1 else 's'}, {len(tasks):,} task{'' if len(tasks) == 1 else 's'}"
    dates = sorted(str(row["created_at"])[:10] for run in runs for row in run.rows.values() if row["created_at"])
    when = f", scored {dates[0]}" + (f" to {dates[-1]}" if dates[-1] != dates[0] else "") if dates else ""
    models = list(dict.fromkeys(str(row["model"]) for run in runs for row in run.rows.values() if row["model"]))
    return f"{count}{when}{': ' if models else ''}{listed(models, 4)}" if runs else "Published values"


def _asset(*names: str) -> str:
    """Files of `assets` as one text."""
    return "\n".join((HERE / "assets" / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    """The hash by which a browser knows a script or a style that may be used."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _embedded(value: Any) -> str:
    """JSON that no text in it can end, or begin, as HTML or as a line of a script."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    found.filters["seen"] = lambda text: visible(str(text))
    found.filters["number"] = _number
    return found


def _number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A number with so many decimals; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:{'+' if sign else ''},.{digits}f}".replace("-", "\u2212")
