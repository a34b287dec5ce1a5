"""The results CSV: its schema, writing and reading."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError, Problem, listed
from orchestrator.machine.files import text_of_cell, write_csv
from orchestrator.scores.confidence import COLUMNS as CONFIDENCE
from orchestrator.scores.metrics import COLUMNS as SCORES
from orchestrator.scores.metrics import Scores

ResultsRow = dict[str, Any]

# every column in the file's order; rates and scores are percent with two decimals; empty = not known
COLUMNS: dict[str, str] = {
    "run_id": "name of the run: rows of one run share it",
    "recipe": "name of the recipe",
    "model": "name of the model, as published",
    "model_type": "LLM (text) or MLLM (video)",
    "params_b": "number of parameters, in billions",
    "method": "zero_shot, sft (one adapter per task) or it (one adapter for all tasks)",
    "toolkit": "the toolkit that trained and answered",
    "task": "name of the task, or `overall`: of several tasks the mean, weighted by the published sizes of the split",
    "dimension": "what is to be named: intent, emotion, dialogue_act, ...",
    "split": "the split answered: test, dev or train",
    "n": "number of samples scored",
    "acc": "accuracy",
    "f1": "macro F1 over the union of true and predicted classes, unknown and multi included (as published)",
    "precision": "macro precision over the same classes",
    "recall": "macro recall over the same classes",
    "wf1": "F1 weighted by the true counts",
    "wp": "precision weighted by the true counts",
    "f1_labels": "macro F1 over the task's label list",
    "acc_ci_low": "lower end of the 95% confidence interval of acc (Wilson; overall: stratified)",
    "acc_ci_high": "upper end of it",
    "unknown": "rate of answers with text but without a label",
    "multi": "rate of answers with several labels",
    "empty": "rate of blank answers",
    "error": "rate of samples without any answer",
    "prompt": "name of the prompt template",
    "decoding": "how answers were decoded: greedy, or temperature and top-p; at most how many tokens",
    "frames": "video frames per sample",
    "seed": "the recipe's seed",
    "checkpoint": "the checkpoint that answered",
    "train_seconds": "wall time of the training's steps: start-up and attempts that came to nothing are told apart",
    "infer_seconds": "wall time of the task's answers, likewise",
    "gpus": "number of GPUs used",
    "signature": "what makes two scores comparable: equal signatures, comparable scores",
    "recipe_sha256": "hash of the fully resolved recipe",
    "git_commit": "commit of the orchestrator; +dirty: its files were not as in that commit",
    "toolkit_version": "the toolkit's distribution and version",
    "created_at": "when the row was made, UTC, ISO 8601",
    "bad_videos": "what was done with bad videos and how many there were by split, e.g. skip:train=2,test=1",
    "majority": "share of the most frequent true label: the accuracy of always saying it",
    "dtype": "number format of the weights that answered: bf16, fp16 or fp32; empty for a hosted model",
    "engine": "the program that generated the answers, e.g. transformers",
    "learning_rate": "peak learning rate of the training",
    "epochs": "passes over the training rows; where train.max_steps ended it before, `settings` says so",
    "batch_size": "samples per optimizer step, over all devices",
    "lora_rank": "rank of the adapter; empty where every weight was trained",
    "train_rows": "rows trained on; under it those of all tasks together",
    "startup_seconds": "wall time of training and inference until their first step or answer was seen: loading",
    "aborted_seconds": "wall time of attempts at both of which nothing was kept",
    "settings": "what of the recipe is not at its default, as JSON by dotted key; without names and places",
    "too_long": "how many samples were left out as longer than train.max_length, by split, e.g. train=2,test=1",
    "log_loss": "mean of -ln p(true label), in nats; this and the next three only where answers are the most probable "
    "label (inference.answers), without samples that have no answer",
    "brier": "Brier score: squared differences of the labels' probabilities to the truth, summed over labels; 0 to 2",
    "ece": "expected calibration error in 15 bins of equal width: how far confidence is from accuracy",
    "aurc": "area under the risk-coverage curve: the share of wrong answers among the most confident, averaged over "
    "how many these are",
}
FIRST = tuple(COLUMNS)[: tuple(COLUMNS).index("majority")]  # those that the files of all versions have
INTEGERS = frozenset({"n", "frames", "seed", "gpus", "batch_size", "lora_rank", "train_rows"})
SECONDS = ("train_seconds", "infer_seconds", "startup_seconds", "aborted_seconds")
FLOATS = frozenset({"params_b", "majority", "learning_rate", "epochs", *SECONDS, *SCORES, *CONFIDENCE}) - INTEGERS
NUMBERS = INTEGERS | FLOATS
_FORM = "`run` writes it in UTF-8 with commas; spreadsheets may save it otherwise"
MAJORITY = "majority"
OVERALL = "overall"


def overall_row(rows: Sequence[ResultsRow], scores: Scores, **known: Any) -> ResultsRow:
    """The row of all tasks: ``scores`` from ``metrics.overall``, and of the tasks' rows what they have in common.

    Times are summed for `sft` and taken once else, where all tasks share one training and one inference. The
    signature is a hash of the tasks' own. ``known`` sets columns by name.
    """
    common = {name: rows[0].get(name) for name in COLUMNS if len({row.get(name) for row in rows}) == 1}
    times: ResultsRow = {}
    for name in SECONDS:
        seconds = [row[name] for row in rows if row.get(name) not in (None, "")]
        times[name] = (round(sum(seconds), 3) if common.get("method") == "sft" else max(seconds)) if seconds else None
    signatures = [f"{row['task']}={row['signature']}" for row in rows if row.get("signature")]
    signature = f"all-{hashlib.sha256(chr(10).join(sorted(signatures)).encode()).hexdigest()[:12]}"
    row = dict.fromkeys(COLUMNS) | common | times | {"signature": signature if signatures else None}
    return row | {"task": OVERALL, MAJORITY: scores.majority} | scores.as_row() | known


def write_results(path: Path, rows: Sequence[ResultsRow]) -> None:
    """Write the results CSV, atomically: UTF-8, comma, ``\\n``; what is absent or ``None`` becomes an empty field.

    Raises:
        ValueError: a row has a name that is no column.
    """
    if unknown := {name for row in rows for name in row} - COLUMNS.keys():
        raise ValueError(f"not columns of the results: {', '.join(sorted(unknown))}")
    write_csv(path, [list(COLUMNS), *([row.get(name) for name in COLUMNS] for row in rows)])


def read_results(path: Path) -> list[ResultsRow]:
    """The rows of a results CSV, numbers as numbers; ``None`` for empty fields, and for columns of later versions.

    Raises:
        InputError: it is none, or lines of it are damaged: all of them at once.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a results CSV: {error}", str(path), _FORM) from error
    header = lines[0][1] if lines else []
    if missing := [name for name in FIRST if name not in header]:
        raise InputError(f"not a results CSV: no column {listed(missing, 5)}", str(path), _FORM)
    rows, problems = [], []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            problems.append(Problem(f"{len(fields)} fields, the header has {len(header)}", where=f"{path}:{line}"))
            continue
        row: ResultsRow = dict.fromkeys(COLUMNS)
        for name, value in zip(header, map(text_of_cell, fields), strict=True):
            try:
                # columns of one's own are left out
                if name in COLUMNS and value != "":
                    row[name] = _number(name, value) if name in NUMBERS else value
            except ValueError:
                problems.append(Problem(f"column {name}: `{value}` is no number", where=f"{path}:{line}"))
        rows.append(row)
    if problems:
        raise InputError(problems)
    return rows


def _number(column: str, value: str) -> int | float:
    """A number as it is written, or as pandas writes it: 16 as 16.0 where other rows of the column are empty."""
    if column in INTEGERS:
        return int(value.removesuffix(".0"))
    if not math.isfinite(number := float(value)):
        raise ValueError(value)
    return number
