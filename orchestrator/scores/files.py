"""Scores answers that were made elsewhere: ``score FILE --task MELD``, or of several tasks at once."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.forms import ALIASES
from orchestrator.data.lines import csv_lines, json_lines
from orchestrator.errors import InputError, Problem, capped, did_you_mean
from orchestrator.scores.answers import Parser
from orchestrator.scores.metrics import Scores, overall, score
from orchestrator.scores.results import COLUMNS, ResultsRow, overall_row

# spellings of the two columns in the wild, the first found wins: ours, the release's, LLaMA-Factory's, ms-swift's, ...
LABEL_COLUMNS = ("label", "labels", "truth", "ground_truth", "groundtruth", "gold", "target", "reference", "true_label",
                 "y_true", "expected")  # fmt: skip
ANSWER_COLUMNS = ("predict", "prediction", "predictions", "pred", "predicted", "response", "answer", "generated_text",
                  "completion", "y_pred", "output", "text")  # fmt: skip


class Scored(NamedTuple):
    """The results row, the scores behind it, and notes for the user on what was odd but scored all the same."""

    row: ResultsRow
    scores: Scores
    notes: list[str]


class _Record(NamedTuple):
    line: int  # physical line, or the position in a JSON list, from 1
    fields: Mapping[str, Any]


def score_file(
    path: Path,
    task: Task | None,
    label_column: str | None = None,
    answer_column: str | None = None,
    split: str | None = None,
) -> list[Scored]:
    """Score a CSV, TSV, JSONL or JSON-list file that holds a true label and a model's answer in each row.

    A label may stand behind a colon (``emotion: joy``); as in the release, what counts is what stands between the
    first colon and the next. A JSON ``null`` (or a missing key) is an answer that was never given (``error``); an empty
    field is ``empty``; "None" and "nan" are texts. A label outside the task's list is scored as a class that no answer
    hits, with a note.

    Args:
        path: the file.
        task: of all rows; ``None``: each row names its own in a column `task`.
        label_column: that of the true labels; ``None``: found by its usual names.
        answer_column: that of the answers; ``None``: found by its usual names.
        split: a note says where the rows are not as many as the task has published ones there.

    Returns:
        One result per task, in the order of the file.

    Raises:
        InputError: no such file, no rows, no such column (with those found), a damaged row (with its line).
    """
    columns, records = _read(path)
    groups = [(task, records)] if task else _by_task(path, columns, records)
    return [_score(path, task, columns, group, label_column, answer_column, split) for task, group in groups]


def _by_task(path: Path, columns: list[str], records: list[_Record]) -> list[tuple[Task, list[_Record]]]:
    column = next((name for name in columns if name.strip().lower() == "task"), None)
    if column is None:
        raise InputError("no column `task`", where=str(path), hint="name the task of all rows: --task MELD")
    known = {name.lower(): task for name, task in tasks().items()}
    groups: dict[str, list[_Record]] = {}
    problems: dict[str, Problem] = {}
    for record in records:
        name = str(record.fields.get(column) or "").strip().lower()
        if name in known:
            groups.setdefault(name, []).append(record)
        else:
            hint = did_you_mean(name, known) or "or name the task of all rows: --task MELD"
            problems.setdefault(name, Problem(f"`{name}` is not a task", f"{path}:{record.line}", hint))
    if problems:
        raise InputError(capped(list(problems.values()), str(path)))
    return [(known[name], group) for name, group in groups.items()]


def _score(
    path: Path,
    task: Task,
    columns: list[str],
    records: list[_Record],
    label_column: str | None,
    answer_column: str | None,
    split: str | None,
) -> Scored:
    chosen = _column(label_column, (*LABEL_COLUMNS, task.dimension), columns, "label", path)
    usual = [name for name in ANSWER_COLUMNS if name != chosen.strip().lower()]
    answers_in = _column(answer_column, usual, columns, "answer", path)
    known = {label.lower(): label for label in task.labels}
    truth, outside, problems = [], Counter[str](), []
    for record in records:
        label = _label(record.fields.get(chosen), known)
        if not label:
            problems.append(Problem(f"no label in column `{chosen}`", where=f"{path}:{record.line}"))
        elif label.lower() not in known:
            outside[label] += 1
        truth.append(label)
    if problems:
        raise InputError(capped(problems, str(path)))
    parser = Parser(task.labels)
    answers = [parser.parse(_answer(record.fields.get(answers_in))) for record in records]
    scores = score(truth, answers, task.labels)
    notes = _notes(task, columns, records, outside) + _odd_rows(task, columns, records, split)
    row = dict.fromkeys(COLUMNS) | {"task": task.name, "dimension": task.dimension} | scores.as_row()
    return Scored(row, scores, notes)


def score_files(
    paths: Sequence[Path],
    chosen: Sequence[Task],
    split: str = "test",
    label_column: str | None = None,
    answer_column: str | None = None,
) -> list[Scored]:
    """Score several files, and behind several tasks their overall score: the mean weighted by the published sizes.

    Args:
        paths: the files.
        chosen: their tasks, in their order; none where a column `task` names them row by row.
        split: whose published sizes weigh the tasks; where it has none the task's rows count.
        label_column: see `score_file`.
        answer_column: see `score_file`.

    Raises:
        InputError: as in `score_file`; another number of tasks than of files; a task that occurs twice.
    """
    if chosen and len(chosen) != len(paths):
        hint = "give --task once per file, in the files' order, or leave it out where a column `task` names them"
        raise InputError(f"{len(paths)} files, but {len(chosen)} tasks", hint=hint)
    found: list[Scored] = []
    given: Sequence[Task | None] = chosen or [None] * len(paths)
    for path, task in zip(paths, given, strict=True):
        for scored in score_file(path, task, label_column, answer_column, split):
            if any(scored.row["task"] == other.row["task"] for other in found):
                raise InputError(f"{scored.row['task']} is in two files", where=str(path))
            found.append(scored)
    if len(found) > 1:
        sizes = [tasks()[scored.row["task"]].sizes.get(split) or scored.scores.n for scored in found]
        overall_scores = overall([scored.scores for scored in found], sizes)
        row = overall_row([one.row for one in found], overall_scores, dimension=f"{len(found)} tasks")
        found.append(Scored(row, overall_scores, []))
    return found


def _label(value: Any, known: Mapping[str, str]) -> str:
    """A true label as the task's list spells it; else the text itself, lower case, as the release scores it."""
    text = "" if value is None else str(value).strip().lower()
    if text not in known and ":" in text:
        text = text.split(":")[1].strip()
    return known.get(text, text)


def _answer(value: Any) -> str | None:
    """A model's text; ``None`` for JSON's null and for NaN, which pandas writes where there was none."""
    if value is None or value != value:
        return None
    return value if isinstance(value, str) else str(value)


def _notes(task: Task, columns: Iterable[str], records: list[_Record], outside: Counter[str]) -> list[str]:
    notes = []
    if outside:
        shown = ", ".join(f"`{label}` ({count})" for label, count in outside.most_common(5))
        notes.append(f"{outside.total()} of {len(records)} true labels are not in the list of {task.name}: {shown}")
    column = next((name for name in columns if name.strip().lower() == "task"), None)
    if column is not None:
        names = {str(record.fields.get(column)).strip().lower() for record in records}
        if not names & {task.name.lower(), task.dataset.lower(), task.dimension.lower(), task.word.lower()}:
            notes.append(f"the file's column `{column}` says {', '.join(sorted(names)[:3])}, not {task.dimension}")
    return notes


def _odd_rows(task: Task, columns: Iterable[str], records: list[_Record], split: str | None) -> list[str]:
    """Notes on rows that are there twice, and on rows that are missing: each row counts, whatever it repeats."""
    notes = []
    column = next((name for name in columns if name.strip().lower() in ALIASES["id"]), None)
    if column is not None:
        ids = [record.fields.get(column) for record in records]
        counts = Counter(str(name).strip() for name in ids if name not in (None, ""))
        if repeated := [(name, count) for name, count in counts.most_common() if count > 1]:
            shown = ", ".join(f"`{name}` is counted {count} times" for name, count in repeated[:3])
            more = f" (and {len(repeated) - 3:,} more ids)" if len(repeated) > 3 else ""
            notes.append(f"rows of {task.name} repeat an id of column `{column}`: {shown}{more}")
    size = task.sizes.get(split) if split else None
    if size is not None and len(records) != size:
        notes.append(f"{len(records):,} rows, but the {split} split of {task.name} has {size:,} published ones")
    return notes


def _column(given: str | None, usual: Iterable[str], columns: list[str], kind: str, path: Path) -> str:
    folded = {name.strip().lower(): name for name in reversed(columns)}
    if given is not None and given in columns:
        return given
    wanted = [given] if given is not None else usual
    for name in wanted:
        if name.strip().lower() in folded:
            return folded[name.strip().lower()]
    message = f"no column `{given}`" if given is not None else f"cannot tell which column holds the {kind}"
    guess = did_you_mean(given, columns) if given is not None else f"name it: --{kind}-column NAME."
    raise InputError(message, where=str(path), hint=f"{guess} columns found: {', '.join(columns)}".strip())


def _read(path: Path) -> tuple[list[str], list[_Record]]:
    """The columns and rows of a file whose kind is told by its first character."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text: {error.reason} at byte {error.start}", where=str(path)) from error
    start = text.lstrip()[:1]
    problems: list[Problem] = []
    if start == "[":
        records = _json_list(text, path, problems)
    elif start == "{":
        records = _json_lines(text, path, problems)
    else:
        records = _table(text, path, problems)
    if not records and not problems:
        problems.append(Problem("no rows to score", where=str(path)))
    if problems:
        raise InputError(capped(problems, str(path)))
    return list(dict.fromkeys(str(name) for record in records for name in record.fields)), records


def _json_list(text: str, path: Path, problems: list[Problem]) -> list[_Record]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(Problem(f"not valid JSON: {error}", where=str(path)))
        return []
    records = [_Record(at, value) for at, value in enumerate(values, 1) if isinstance(value, dict)]
    if len(records) != len(values):
        problems.append(Problem("the list holds something other than objects", where=str(path)))
    return records


def _json_lines(text: str, path: Path, problems: list[Problem]) -> list[_Record]:
    records = []
    for line, value in json_lines(text):
        if isinstance(value, dict):
            records.append(_Record(line, value))
        else:
            message = f"not valid JSON: {value}" if isinstance(value, Exception) else "not a JSON object"
            problems.append(Problem(message, where=f"{path}:{line}"))
    return records


def _table(text: str, path: Path, problems: list[Problem]) -> list[_Record]:
    first = text.split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") or first.count("\t") > first.count(",") else ","
    header: list[str] = []
    records: list[_Record] = []
    for line, row in csv_lines(text, delimiter):
        if isinstance(row, csv.Error):
            problems.append(Problem(f"not a valid table: {row}", where=f"{path}:{line}"))
        elif not header:
            header = row
        elif row and len(row) != len(header):
            problems.append(Problem(f"{len(row)} fields, the header has {len(header)}", where=f"{path}:{line}"))
        elif row:
            records.append(_Record(line, dict(zip(header, row, strict=True))))
    return records
