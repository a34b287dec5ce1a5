"""``score``: answers from anywhere, scored the benchmark's own way."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.benchmark.task import SPLITS, tasks
from orchestrator.cli.results import results_table
from orchestrator.cli.score_report import report_text
from orchestrator.cli.table import tell
from orchestrator.errors import one_of, short
from orchestrator.recipe.sections import Data
from orchestrator.run.own_answers import read
from orchestrator.scores.files import Scored, score_files
from orchestrator.scores.results import MAJORITY


def print_score(
    files: Sequence[Path], names: Sequence[str], split: str, label: str | None, answer: str | None,
    data_root: Path | None, *, report: bool, as_json: bool,
) -> None:  # fmt: skip
    """Score files of answers and print a row for each task, behind several the overall score; which columns were read.

    Args:
        files: tables of labels and answers; or a run's answers, or folders with them.
        names: the task of each file; none where a column names it.
        split: whose published sizes weight the overall score.
        label: the column with the true label, where it is not found by its name.
        answer: the column with the answer, likewise.
        data_root: the folder with the data sets, which may bring tasks of their own.
        report: also print scores by label, and what was answered in the place of what.
        as_json: print one JSON object per task: the columns of results, and what was read and is odd.

    Raises:
        InputError: a task is unknown or a file cannot be read so.
    """
    one_of("split", split, SPLITS)
    known = tasks(data_root or Path(Data().root))
    found = score_files(files, list(map(known.named, names)), split, label, answer, known, read)
    for scored in found:
        whose = f"{_name(scored)}: " if len(found) > 1 else ""
        for note in scored.notes:
            tell(f"note: {whose}{note}", file=sys.stderr)
    if as_json:
        for scored in found:
            more = {"report": scored.report.as_json()} if report and scored.report else {}
            tell(json.dumps(scored.row | _read(scored) | {"notes": scored.notes} | more))
        return
    for recipe in dict.fromkeys(scored.row["recipe"] for scored in found):
        group = [scored for scored in found if scored.row["recipe"] == recipe]
        if recipe:
            tell(f"{recipe}:")
        tell(results_table([scored.row | {MAJORITY: scored.scores.majority} for scored in group]))
    for scored in found:
        if report and scored.report:
            tell(f"\n{report_text(_name(scored), scored.report)}")
    if report:
        tell()
    for line in dict.fromkeys(map(_source, found)):
        if line:
            tell(line)


def _name(scored: Scored) -> str:
    """The task, behind the recipe where one is known."""
    return " ".join(filter(None, (scored.row["recipe"], scored.row["task"])))


def _source(scored: Scored) -> str:
    """Where labels and answers were read, in words; nothing for the overall score."""
    if not scored.columns:
        return ""
    label, answer, file = (short(str(name), 4096) for name in (*scored.columns, scored.path))
    task = scored.row["task"]
    if scored.origin:
        return f"{task}, {scored.origin.split}: answers from {file}, labels from {scored.origin.labels}"
    return f"{task}: labels from column `{label}`, answers from `{answer}` of {file}"


def _read(scored: Scored) -> dict[str, str | None]:
    """Where a result comes from; nothing for the overall score."""
    label, answer = scored.columns or (None, None)
    return {"file": str(scored.path) if scored.path else None, "label_column": label, "answer_column": answer}
