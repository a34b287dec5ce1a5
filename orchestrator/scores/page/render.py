"""The page: what the runs say, filled into the templates with the script and the style inside."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.benchmark.published import published
from orchestrator.benchmark.task import Task
from orchestrator.errors import listed, visible
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.page import facts
from orchestrator.scores.page.parts import Content
from orchestrator.scores.page.samples import packed_sets
from orchestrator.scores.results import COLUMNS, OVERALL

HERE = Path(__file__).parent
SCRIPTS = ("page.js", "packed.js", "matrix.js", "samples.js")
METRICS = ("acc", "f1", "f1_labels", "precision", "recall", "wf1", "wp", *facts.RATES)


def page(content: Content) -> str:
    """The page as HTML, complete in itself."""
    runs, tasks, options = content.runs, content.tasks, content.options
    packed, cut = packed_sets(
        content.sets, {name: len(task.labels) for name, task in tasks.items()}, options.shown or {}
    )
    data = {
        "runs": [{"name": run.name} for run in runs],
        "sets": packed,
        "metrics": {name: _scores(runs, name) for name in METRICS},
    }
    notes = list(options.notes)
    if cut is not None:
        only = "" if cut.labelled else "Of answers that name a label, the label alone is here. "
        where = "the file of answers beside the results has all"
        notes.append(f"{only}Answers longer than {cut.length:,} characters are cut: {where}.")
    script, style = _asset(*SCRIPTS), _asset("page.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; "
        f"form-action 'none'{'; media-src file:' if options.shown else ''}"
    )
    values: dict[str, Any] = {
        "title": options.title, "parts": content.parts, "runs": runs, "notes": notes, "policy": policy,
        "script": Markup(script), "style": Markup(style), "data": Markup(_embedded(data)),
        "quality": facts.quality(runs), "sure": facts.confidences(runs), "costs": facts.costs(runs),
        "origins": facts.origins(runs),
        "rates": facts.RATES, "metrics": METRICS, "about": COLUMNS, "has_samples": bool(packed),
        "has_texts": bool(options.shown), "sources": list(dict.fromkeys(value.source for value in published())),
        "summary": _summary(runs, tasks),
        "curves": content.curves, "commands": options.commands, "leaks": options.leaks,
    }  # fmt: skip
    return _environment().get_template("page.html.j2").render(values)


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
    found.filters["duration"] = _duration
    return found


def _number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A number with so many decimals; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:{'+' if sign else ''},.{digits}f}".replace("-", "\u2212")


def _duration(seconds: float | None) -> str:
    """A time as people say it; nothing where there is none."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
