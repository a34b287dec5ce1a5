"""``score``: answers from anywhere, scored the benchmark's own way."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.benchmark.task import SPLITS, tasks
from orchestrator.cli.results import results_table
from orchestrator.errors import one_of, short
from orchestrator.recipe.sections import Data
from orchestrator.scores.files import Scored, score_files
from orchestrator.scores.results import MAJORITY


def print_score(
    files: Sequence[Path], names: Sequence[str], split: str, label: str | None, answer: str | None,
    data_root: Path | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Score files of answers and print a row for each task, behind several the overall score; which columns were read.

    Args:
        files: tables of labels and answers.
        names: the task of each file; none where a column names it.
        split: whose published sizes weight the overall score.
        label: the column with the true label, where it is not found by its name.
        answer: the column with the answer, likewise.
        data_root: the folder with the data sets, which may bring tasks of their own.
        as_json: print one JSON object per task: the columns of results, and what was read and is odd.

    Raises:
        InputError: a task is unknown or a file cannot be read so.
    """
    one_of("split", split, SPLITS)
    known = tasks(data_root or Path(Data().root))
    found = score_files(files, list(map(known.named, names)), split, label, answer, known)
    for note in (note for scored in found for note in scored.notes):
        print(f"note: {note}", file=sys.stderr)
    if as_json:
        for scored in found:
            print(json.dumps(scored.row | _read(scored) | {"notes": scored.notes}))
    else:
        print(results_table([scored.row | {MAJORITY: scored.scores.majority} for scored in found]))
        for scored in found:
            if scored.columns:
                label, answer, file = (short(str(name), 4096) for name in (*scored.columns, scored.path))
                print(f"{scored.row['task']}: labels from column `{label}`, answers from `{answer}` of {file}")


def _read(scored: Scored) -> dict[str, str | None]:
    """Where a result comes from; nothing for the overall score."""
    label, answer = scored.columns or (None, None)
    return {"file": str(scored.path) if scored.path else None, "label_column": label, "answer_column": answer}
