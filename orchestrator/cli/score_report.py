"""``score --report`` as text: scores by label, what is taken for what, the whole matrix where it fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from orchestrator.cli.table import WIDTH, table
from orchestrator.errors import short
from orchestrator.scores.report import OTHERS, Report

HEAD = "true label"
MOST_MISTAKES = 10
_LONGEST = 24  # of a label that is shown


def report_text(title: str, report: Report) -> str:
    """A task's report as lines of text, readable at 80 columns with 30 labels; the whole matrix only where it fits."""
    return "\n".join((f"{title}, by label", *_by_label(report), *_mistakes(report), *_matrix(report)))


def _by_label(report: Report) -> Iterator[str]:
    there = [name for name in OTHERS if any(report.counts.get((label, name)) for label in report.labels)]
    rows, shown = [], _shown(report)
    for one in report.by_label():
        cells = {HEAD: shown[one.label], "n": one.support}
        rates = {"prec.": f"{one.precision:.2f}", "recall": f"{one.recall:.2f}", "f1": f"{one.f1:.2f}"}
        rows.append(cells | rates | {name: report.counts.get((one.label, name), 0) or "" for name in there})
    yield table(rows, right=[name for name in rows[0] if name != HEAD])


def _mistakes(report: Report) -> Iterator[str]:
    support, shown = {one.label: one.support for one in report.by_label()}, _shown(report)
    found = report.mistakes()
    if not found:
        return
    yield (
        "" if len(found) <= MOST_MISTAKES else f"\nthe {MOST_MISTAKES} most frequent of {len(found)} kinds of mistakes"
    )
    rows = [
        {HEAD: shown[true], "answered": shown[said], "times": count,
         "of the label": f"{100 * count / support[true]:.1f} %"}
        for true, said, count in found[:MOST_MISTAKES]
    ]  # fmt: skip
    yield table(rows, right=("times", "of the label"))


def _matrix(report: Report) -> Iterator[str]:
    there = [name for name in report.classes if name in report.labels or any(said == name for _, said in report.counts)]
    shown, head = _shown(report), "" if HEAD in report.labels else HEAD
    rows = [
        {head: shown[label]} | {shown[name]: str(report.row(label)[name] or ".") for name in there}
        for label in report.labels
    ]
    text = table(rows, right=[shown[name] for name in there])
    if max(map(len, text.splitlines())) <= WIDTH:
        yield f"\nanswered (columns) to what was true (rows)\n{text}"
    else:
        yield "\nthe whole matrix: --json"


def _shown(report: Report) -> dict[str, str]:
    """The classes as they are shown: cut where no other is cut to the same."""
    cut = {name: short(name, _LONGEST) for name in report.classes}
    often = Counter(cut.values())
    return {name: shown if often[shown] == 1 else short(name, len(name)) for name, shown in cut.items()}
