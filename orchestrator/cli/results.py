"""Rows of results, as plain text and for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.cli.table import table
from orchestrator.scores.results import MAJORITY, OVERALL, ResultsRow

if TYPE_CHECKING:
    from rich.table import Table

RATES = ("f1", "wf1", "unknown", "multi", "empty", "error")
NUMBERS = ("n", "acc", "95% CI", "majority", *RATES)


def results_table(rows: Sequence[ResultsRow]) -> str:
    """The rows as aligned plain text, for files and pipes.

    A row may carry ``majority``: the share (percent) of the most frequent true label, the accuracy of always
    saying it.
    """
    return table([_cells(row) for row in rows], right=NUMBERS)


def rich_table(rows: Sequence[ResultsRow]) -> Table:
    """The same table for a terminal; an accuracy is green above the majority baseline and red below it."""
    from rich.table import Table
    from rich.text import Text

    shown = Table()
    for name in ("task", *NUMBERS):
        shown.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for row in rows:
        fields = {name: Text(cell) for name, cell in _cells(row).items()}
        accuracy, baseline = row.get("acc"), row.get(MAJORITY)
        if accuracy is not None and baseline is not None and accuracy != baseline:
            fields["acc"].stylize("green" if accuracy > baseline else "red")
        shown.add_row(*fields.values(), style="bold" if row["task"] == OVERALL else None)
    return shown


def _cells(row: ResultsRow) -> dict[str, str]:
    def number(name: str) -> str:
        value: Any = row.get(name)
        return "" if value is None else f"{value:.2f}"

    low, high = number("acc_ci_low"), number("acc_ci_high")
    cells = {"task": row["task"], "n": str(row.get("n") or ""), "acc": number("acc")}
    cells |= {"95% CI": f"{low}-{high}" if low and high else "", "majority": number(MAJORITY)}
    return cells | {name: number(name) for name in RATES}
