"""Scores answers that were made elsewhere: ``score FILE --task MELD``, or of several tasks at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.forms import ALIASES
from orchestrator.errors import InputError, Problem, capped, did_you_mean
from orchestrator.scores.answers import Parser
from orchestrator.scores.metrics import Scores, overall, score
from orchestrator.scores.records import Record, Records, read_records
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
    records = read_records(path)
    groups = [(task, records)] if task else _by_task(records)
    return [_score(task, group, label_column, answer_column, split) for task, group in groups]


def _by_task(records: Records) -> list[tuple[Task, Records]]:
    column = records.column("task")
    if column is None:
        raise InputError("no column `task`", str(records.path), "name the task of all rows: --task MELD")
    known = {name.lower(): task for name, task in tasks().items()}
    groups: dict[str, list[Record]] = {}
    problems: dict[str, Problem] = {}
    for record in records.rows:
        name = str(record.fields.get(column) or "").strip().lower()
        if name in known:
            groups.setdefault(name, []).append(record)
        else:
            hint = did_you_mean(name, known) or "or name the task of all rows: --task MELD"
            problems.setdefault(name, Problem(f"`{name}` is not a task", f"{records.path}:{record.line}", hint))
    if problems:
        raise InputError(capped(list(problems.values()), str(records.path)))
    return [(known[name], replace(records, rows=group)) for name, group in groups.items()]


def _score(
    task: Task, records: Records, label_column: str | None, answer_column: str | None, split: str | None
) -> Scored:
    chosen = _column(label_column, (*LABEL_COLUMNS, task.dimension), records, "label")
    usual = [name for name in ANSWER_COLUMNS if name != chosen.strip().lower()]
    answers_in = _column(answer_column, usual, records, "answer")
    known = {label.lower(): label for label in task.labels}
    truth = [_label(value, known) for value in records.values(chosen)]
    if blank := [record.line for record, label in zip(records.rows, truth, strict=True) if not label]:
        problems = [Problem(f"no label in column `{chosen}`", f"{records.path}:{line}") for line in blank]
        raise InputError(capped(problems, str(records.path)))
    outside = Counter(label for label in truth if label.lower() not in known)
    parser = Parser(task.labels)
    scores = score(truth, [parser.parse(_answer(value)) for value in records.values(answers_in)], task.labels)
    notes = _notes(task, records, outside) + _odd_rows(task, records, split)
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
    return None if value is None or value != value else str(value)


def _notes(task: Task, records: Records, outside: Counter[str]) -> list[str]:
    notes = []
    if outside:
        shown = ", ".join(f"`{label}` ({count})" for label, count in outside.most_common(5))
        total, rows = outside.total(), len(records.rows)
        notes.append(f"{total} of {rows} true labels are not in the list of {task.name}: {shown}")
    if (column := records.column("task")) is not None:
        names = {str(value).strip().lower() for value in records.values(column)}
        if not names & {task.name.lower(), task.dataset.lower(), task.dimension.lower(), task.word.lower()}:
            notes.append(f"the file's column `{column}` says {', '.join(sorted(names)[:3])}, not {task.dimension}")
    return notes


def _odd_rows(task: Task, records: Records, split: str | None) -> list[str]:
    """Notes on rows that are there twice, and on rows that are missing: each row counts, whatever it repeats."""
    notes = []
    if (column := records.column(*ALIASES["id"])) is not None:
        counts = Counter(str(name).strip() for name in records.values(column) if name not in (None, ""))
        if repeated := [(name, count) for name, count in counts.most_common() if count > 1]:
            shown = ", ".join(f"`{name}` is counted {count} times" for name, count in repeated[:3])
            more = f" (and {len(repeated) - 3:,} more ids)" if len(repeated) > 3 else ""
            notes.append(f"rows of {task.name} repeat an id of column `{column}`: {shown}{more}")
    size, rows = task.sizes.get(split) if split else None, len(records.rows)
    if size is not None and rows != size:
        notes.append(f"{rows:,} rows, but the {split} split of {task.name} has {size:,} published ones")
    return notes


def _column(given: str | None, usual: Iterable[str], records: Records, kind: str) -> str:
    columns = list(records.columns)
    if given is not None and given in columns:
        return given
    wanted = [given] if given is not None else usual
    if found := next(filter(None, (records.column(name.strip().lower()) for name in wanted)), None):
        return found
    message = f"no column `{given}`" if given is not None else f"cannot tell which column holds the {kind}"
    guess = did_you_mean(given, columns) if given is not None else f"name it: --{kind}-column NAME."
    raise InputError(message, str(records.path), f"{guess} columns found: {', '.join(columns)}".strip())
