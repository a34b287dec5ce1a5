"""A comparison for programs: JSON, and CSV with a row for each score."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.cli.table import json_text
from orchestrator.machine.files import cell
from orchestrator.scores.compare.beside import Beside
from orchestrator.scores.compare.comparison import Comparison
from orchestrator.scores.compare.entry import KEYS, Entry
from orchestrator.scores.compare.flips import Flip

FORMAT = 1  # raised where a key changes its meaning; keys may be added


def as_json(
    comparison: Comparison, notes: Sequence[str], published: Sequence[Beside] | None, found: Sequence[Flip] | None
) -> str:
    """All of a comparison as one JSON object.

    Its keys: ``format``; ``baseline`` (a name); ``runs`` (``name``, ``recipes``, ``files``, ``seeds``, ``paired``:
    whether answers are compared sample by sample); ``tasks``; ``common`` (those of overall); ``scores`` (by task, run
    and metric: `entry.KEYS`); ``differs`` (by setting the value of each run); ``options``; ``notes`` (sentences); where
    asked for ``published`` (`Beside`) and ``flips`` (`Flip`), in which ``run`` names the run.
    """
    runs = [
        {
            "name": column.name,
            "recipes": list(dict.fromkeys(run.name for run in column.runs)),
            "files": list(dict.fromkeys(str(run.path) for run in column.runs)),
            "seeds": [next(iter(run.rows.values()))["seed"] for run in column.runs],
            "paired": column.name not in comparison.unpaired,
        }
        for column in comparison.columns
    ]
    names = [column.name for column in comparison.columns]
    value: dict[str, Any] = {
        "format": FORMAT,
        "baseline": names[0],
        "runs": runs,
        "tasks": list(comparison.tasks),
        "common": list(comparison.common),
        "scores": [_row(entry) for entry in comparison.entries.values()],
        "differs": {name: dict(zip(names, said, strict=True)) for name, said in comparison.differs.items()},
        "options": asdict(comparison.options),
        "notes": list(notes),
    }
    if published is not None:
        value["published"] = [_named(one._asdict()) for one in published]
    if found is not None:
        value["flips"] = [_named(one._asdict()) for one in found]
    return json_text(value)


def as_csv(comparison: Comparison) -> str:
    """A table with a row for each task, run and metric; its columns are `entry.KEYS`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(KEYS)
    for entry in comparison.entries.values():
        row = _row(entry)
        row["unlike"] = " ".join(row["unlike"])
        writer.writerow(["" if value is None else cell(value) for value in row.values()])
    return text.getvalue().rstrip("\n")


def _row(entry: Entry) -> dict[str, Any]:
    values = _named(asdict(entry))
    return {name: values[name] for name in KEYS}


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its column called `run`, and numbers short enough to be read."""
    return {
        # significant digits, not decimals: a p of 1e-9 is not 0
        "run" if name == "column" else name: float(f"{value:.8g}") if isinstance(value, float) else value
        for name, value in values.items()
    }
