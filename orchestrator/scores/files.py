"""Scores answers that were made elsewhere: ``score FILE --task MELD``, or of several tasks at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.forms import ALIASES
from orchestrator.errors import InputError, Problem, capped, short
from orchestrator.scores import confidence
from orchestrator.scores.answers import Answer, Parser
from orchestrator.scores.columns import Chosen, answer_of, choose, label_names, label_of
from orchestrator.scores.groups import by_recipe, of_task
from orchestrator.scores.metrics import Scores, overall, score
from orchestrator.scores.oddities import ENOUGH, oddities
from orchestrator.scores.records import Origin, Records, read_records
from orchestrator.scores.report import Report
from orchestrator.scores.results import COLUMNS, ResultsRow, overall_row


class Scored(NamedTuple):
    """One task's result.

    Attributes:
        row: the results row.
        scores: the scores behind it.
        notes: what was odd but scored all the same, for the user.
        path: the file; ``None`` for the overall score.
        columns: those that were read of it.
        report: label by label; ``None`` for the overall score.
        origin: of a run's own answers.
        confidence: where answers came with probabilities.
    """

    row: ResultsRow
    scores: Scores
    notes: list[str]
    path: Path | None = None
    columns: Chosen | None = None
    report: Report | None = None
    origin: Origin | None = None
    confidence: confidence.Confidence | None = None


def score_file(
    path: Path,
    task: Task | None,
    label_column: str | None = None,
    answer_column: str | None = None,
    split: str | None = None,
    known: Mapping[str, Task] | None = None,
    read: Callable[[Path], Records] = read_records,
) -> list[Scored]:
    """Score a CSV, TSV, JSONL or JSON file that holds a true label and a model's answer in each row.

    A label may stand behind a colon (``emotion: joy``); as in the release, what counts is what stands between the
    first colon and the next. A JSON ``null`` (or a missing key) is an answer that was never given (``error``); an empty
    field is ``empty``, or ``error`` where the row has one in a column `error`; "None" and "nan" are texts. A label
    outside the task's list is scored as a class that no answer hits, with a note.

    Args:
        path: the file.
        task: of all rows; ``None``: each row names its own in a column `task`.
        label_column: that of the true labels; ``None``: found by its usual names.
        answer_column: that of the answers; ``None``: found by its usual names.
        split: a note says where the rows are not as many as the task has published ones there.
        known: the tasks that rows may name; ``None``: the benchmarks'.
        read: reads the rows.

    Returns:
        One result per task, in the order of the file; of a file of several recipes' answers (``*.answers.jsonl.gz``)
        one per recipe and task.

    Raises:
        InputError: no such file, no rows, a damaged row (with its line), or columns that cannot be told (see
            `columns.choose`).
    """
    records = read(path)
    names = [label_column.lower()] if label_column else label_names(task) if task else ["task"]
    if not records.matching(*names):
        records = records.unpacked()
    found = []
    for recipe, rows in by_recipe(records):
        for one, group in of_task(rows, task, known or tasks()):
            scored = _score(one, group, label_column, answer_column, split)
            found.append(scored._replace(row=scored.row | {"recipe": recipe}))
    if records.origin and found:
        found[0].notes[:0] = records.origin.notes
    return found


def _score(
    task: Task, records: Records, label_column: str | None, answer_column: str | None, split: str | None
) -> Scored:
    split = records.origin.split if records.origin else split
    columns = choose(records, task, label_column, answer_column)
    truth = [label_of(value, task) for value in records.values(columns.label)]
    if blank := [record.line for record, label in zip(records.rows, truth, strict=True) if not label]:
        problems = [Problem(f"no label in column `{columns.label}`", f"{records.path}:{line}") for line in blank]
        raise InputError(capped(problems, str(records.path)))
    texts = _texts(records, columns.answer)
    known = _label_scores(task, records, texts)
    answers = _answers(task, texts, known)
    scores = score(truth, answers, task.labels)
    notes = _notes(task, records, truth) + _odd_rows(task, records, split)
    if len(texts) >= ENOUGH and texts == [str(value) for value in records.values(columns.label)]:
        notes.append(f"the answers in column `{columns.answer}` are those in `{columns.label}`, word for word")
    notes += oddities(truth, answers, texts)
    given = [(label, one) for label, one in zip(truth, known, strict=True) if one]
    sure = confidence.confidence(*zip(*given, strict=True)) if given else None
    row = dict.fromkeys(COLUMNS) | {"task": task.name, "dimension": task.dimension} | scores.as_row()
    row |= sure.as_row() if sure else {}
    report = Report.of(truth, answers, task.labels)
    return Scored(row, scores, notes, records.path, columns, report, records.origin, sure)


def _label_scores(task: Task, records: Records, texts: Sequence[str | None]) -> list[dict[str, float] | None]:
    """What labels were compared by, in the column `logprobs` of a run's answers; of none, where an answer lacks it."""
    column = records.column("logprobs")
    none: list[dict[str, float] | None] = [None] * len(texts)
    if column is None:
        return none
    found = [confidence.scores_of(value, task.labels) for value in records.values(column)]
    whole = all(text is None or one is not None for text, one in zip(texts, found, strict=True))
    return found if whole else none


def _answers(task: Task, texts: Sequence[str | None], known: Sequence[Mapping[str, float] | None]) -> list[Answer]:
    """What the texts say; where labels were compared, the one that was the most probable."""
    parser = Parser(task.labels)
    said = [confidence.most_probable(one) if one else None for one in known]
    return [parser.read({"text": text, "label": label}) for text, label in zip(texts, said, strict=True)]


def _texts(records: Records, column: str) -> list[str | None]:
    """The answers; ``None`` where a row has none, but an error (a CSV cannot tell nothing from an empty text)."""
    texts = [answer_of(value) for value in records.values(column)]
    failed = records.sole("error")
    if failed is None:
        return texts
    errors = records.values(failed)
    return [None if not text and error not in (None, "") else text for text, error in zip(texts, errors, strict=True)]


def score_files(
    paths: Sequence[Path],
    chosen: Sequence[Task],
    split: str = "test",
    label_column: str | None = None,
    answer_column: str | None = None,
    known: Mapping[str, Task] | None = None,
    read: Callable[[Path], Records] = read_records,
) -> list[Scored]:
    """Score several files, and behind several tasks their overall score: the mean weighted by the published sizes.

    Of files with the answers of several recipes there is one for each recipe.

    Args:
        paths: the files.
        chosen: their tasks, in their order; none where a column `task` names them row by row.
        split: whose published sizes weigh the tasks; where it has none the task's rows count.
        label_column: see `score_file`.
        answer_column: see `score_file`.
        known: see `score_file`.
        read: see `score_file`.

    Raises:
        InputError: as in `score_file`; another number of tasks than of files; a task that occurs twice.
    """
    if chosen and len(chosen) != len(paths):
        hint = "give --task once per file, in the files' order, or leave it out where a column `task` names them"
        raise InputError(f"{len(paths)} files, but {len(chosen)} tasks", hint=hint)
    found: list[Scored] = []
    given: Sequence[Task | None] = chosen or [None] * len(paths)
    for path, task in zip(paths, given, strict=True):
        for scored in score_file(path, task, label_column, answer_column, split, known, read):
            if any(_what(scored) == _what(other) for other in found):
                raise InputError(f"{scored.row['task']} is in two files", where=str(path))
            found.append(scored)
    recipes = list(dict.fromkeys(scored.row["recipe"] for scored in found))
    groups = [[scored for scored in found if scored.row["recipe"] == recipe] for recipe in recipes]
    return [one for group in groups for one in (*group, *_overall(group, split, known or tasks()))]


def _what(scored: Scored) -> tuple[str | None, str]:
    return scored.row["recipe"], scored.row["task"]


def _overall(group: Sequence[Scored], split: str, known: Mapping[str, Task]) -> list[Scored]:
    """The overall score of several tasks; of one there is none."""
    if len(group) < 2:
        return []
    sizes = []
    for one in group:
        named = one.origin.tasks if one.origin else known
        sizes.append(named[one.row["task"]].sizes.get(one.origin.split if one.origin else split) or one.scores.n)
    scores = overall([one.scores for one in group], sizes)
    sure = confidence.overall([one.confidence for one in group], sizes)
    more = sure.as_row() if sure else {}
    row = overall_row([one.row for one in group], scores, dimension=f"{len(group)} tasks", **more)
    return [Scored(row, scores, [])]


def _notes(task: Task, records: Records, truth: Sequence[str]) -> list[str]:
    notes = []
    if outside := Counter(label for label in truth if label not in task.labels):
        shown = ", ".join(f"`{short(label)}` ({count})" for label, count in outside.most_common(5))
        total, rows = outside.total(), len(records.rows)
        notes.append(f"{total} of {rows} true labels are not in the list of {task.name}: {shown}")
    if (column := records.column("task")) is not None:
        names = {str(value).strip().lower() for value in records.values(column)}
        own = {"", task.name.lower(), task.dataset.lower(), task.dimension.lower(), task.word.lower()}
        if others := sorted(names - own):
            notes.append(f"the file's column `{column}` says {short(', '.join(others[:3]))}, not {task.dimension}")
    return notes


def _odd_rows(task: Task, records: Records, split: str | None) -> list[str]:
    """Notes on rows that are there twice, and on rows that are missing: each row counts, whatever it repeats."""
    notes = []
    if (column := records.column(*ALIASES["id"])) is not None:
        counts = Counter(str(name).strip() for name in records.values(column) if name not in (None, ""))
        if repeated := [(name, count) for name, count in counts.most_common() if count > 1]:
            shown = ", ".join(f"`{short(name)}` is counted {count} times" for name, count in repeated[:3])
            more = f" (and {len(repeated) - 3:,} more ids)" if len(repeated) > 3 else ""
            notes.append(f"rows of {task.name} repeat an id of column `{column}`: {shown}{more}")
    size, rows = task.sizes.get(split) if split else None, len(records.rows)
    if size is not None and rows != size:
        notes.append(f"{rows:,} rows, but the {split} split of {task.name} has {size:,} published ones")
    return notes
