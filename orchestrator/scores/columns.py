"""Which columns of a file hold the true labels and the answers: told by their names, and refused where they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.benchmark.task import Task
from orchestrator.data.forms import ALIASES
from orchestrator.errors import InputError, Problem, did_you_mean, short
from orchestrator.scores.answers import Parser
from orchestrator.scores.records import Records

# spellings of the two columns in the wild: ours, the release's, LLaMA-Factory's, ms-swift's, VLMEvalKit's, ...
LABEL_COLUMNS = ("label", "labels", "truth", "ground_truth", "groundtruth", "gold", "target", "reference", "true_label",
                 "y_true", "expected")  # fmt: skip
# the last two: lm-evaluation-harness, inspect
ANSWER_COLUMNS = ("predict", "prediction", "predictions", "pred", "predicted", "response", "answer", "generated_text",
                  "completion", "y_pred", "output", "filtered_resps", "output.completion")  # fmt: skip
TEXT_COLUMNS = (*ALIASES["text"], "question", "query", "prompt", "instruction", "input")


class Chosen(NamedTuple):
    """The columns of the true labels and of the answers."""

    label: str
    answer: str


def label_of(value: Any, task: Task) -> str:
    """A true label as the task's list spells it; else the text itself, lower case, as the release scores it."""
    known = {label.lower(): label for label in task.labels}
    text = "" if value is None or value != value else str(value).strip().lower()
    if text not in known and ":" in text:
        text = text.split(":")[1].strip()
    return known.get(text, text)


def answer_of(value: Any) -> str | None:
    """A model's text; ``None`` for JSON's null and for NaN, which pandas writes where there was none."""
    return None if value is None or value != value else str(value)


def label_names(task: Task) -> tuple[str, ...]:
    """The usual names of a task's label column."""
    return (*LABEL_COLUMNS, task.dimension.lower(), task.word.lower())


def choose(records: Records, task: Task, label: str | None, answer: str | None) -> Chosen:
    """The columns to read: those named, else those of usual names.

    Several of usual names are fine where it makes no difference which is read. A column `answer` holds the true labels
    where no other does and another one holds the answers (VLMEvalKit).

    Args:
        records: the rows of one task.
        task: the task.
        label: the name given for the column of the true labels.
        answer: the name given for the column of the answers.

    Raises:
        InputError: there is no such column, it is there twice, it may be one of several that differ, or it holds
            something else.
    """
    problems: list[Problem] = []
    labels = _usual(records, label, label_names(task), problems)
    answers = _usual(records, answer, ANSWER_COLUMNS, problems)
    if label is None:
        labels = [column for column in labels if column not in answers or answer is None]
    if answer is None:
        answers = [column for column in answers if column not in labels[:1]]
    if label is None and not labels and len(answers) > 1:
        labels = [
            column for column in answers if column.strip().lower() == "answer" and _all_labels(records, column, task)
        ]
        answers = [column for column in answers if column not in labels]
    parse = Parser(task.labels).parse
    readings: Mapping[str, tuple[Sequence[str], Callable[[Any], Any]]] = {
        "label": (labels, lambda value: label_of(value, task)),
        "answer": (answers, lambda value: parse(answer_of(value))),
    }
    for kind, (columns, read) in readings.items():
        problems += _unsound(records, kind, columns, read)
    if not problems:
        problems += _something_else(records, Chosen(labels[0], answers[0]), task, label, answer)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return Chosen(labels[0], answers[0])


def _usual(records: Records, given: str | None, usual: Sequence[str], problems: list[Problem]) -> list[str]:
    """The columns that may be meant; of those with usual names only what is not blank, where there is such."""
    if given is None:
        found = records.matching(*usual)
        found = [column for column in found if not any(other.startswith(f"{column}.") for other in found)]
        return [column for column in found if any(value not in (None, "") for value in records.values(column))] or found
    found = [given] if given in records.columns else records.matching(given.strip().lower())
    if len(found) > 1:
        names = ", ".join(f"`{column}`" for column in found)
        problems.append(Problem(f"`{given}` may be {names}", str(records.path), "spell it as the file does"))
    elif not found:
        hint = f"{did_you_mean(given, map(short, records.columns))} {_shown(records)}".strip()
        problems.append(Problem(f"no column `{given}`", str(records.path), hint))
    return found[:1] or [given]


def _all_labels(records: Records, column: str, task: Task) -> bool:
    return all(label_of(value, task) in task.labels for value in records.values(column))


def _unsound(records: Records, kind: str, columns: Sequence[str], read: Callable[[Any], Any]) -> list[Problem]:
    """Why none of the columns can be read as labels or as answers."""
    path, option = str(records.path), f"--{kind}-column"
    if not columns:
        also = ""
        if kind == "answer" and (text := records.matching(*TEXT_COLUMNS)):
            also = f" (`{text[0]}` mostly holds the utterance or the question)"
        elif kind == "label" and records.path.name.startswith("predictions"):
            also = (
                " (a run's predictions have no labels: give them where they lie in the run's folder, which says where "
            )
            also += "its data is; or the score stage's TASK.answers.jsonl.gz, which has both)"
        hint = f"name it: {option} NAME{also}. {_shown(records)}"
        return [Problem(f"cannot tell which column holds the {kind}", path, hint)]
    problems = []
    for column in columns:
        name = column.rpartition(".")[2]
        if line := records.repeated.get(column, records.repeated.get(name)):
            hint = f"rename one of them, or name another column: {option} NAME"
            problems.append(Problem(f"the column `{column}` is there twice", f"{path}:{line}", hint))
        for row, value in zip(records.rows, records.values(column), strict=True):
            if isinstance(value, (dict, list)):
                inner = next((name for name in records.columns if name.startswith(f"{column}.")), f"{column}.NAME")
                message = (
                    f"`{column}` holds {'an object' if isinstance(value, dict) else 'a list'}, not the {kind}'s text"
                )
                hint = f"name the field inside: {option} {inner}. {_shown(records)}"
                if len(records.rows) == 1:
                    hint += "; a file of columns, not rows? pandas: to_json('rows.json', orient='records')"
                problems.append(Problem(message, f"{path}:{row.line}", hint))
                break
    if problems:
        return problems
    first = [read(value) for value in records.values(columns[0])]
    for other in columns[1:]:
        for row, one, two in zip(records.rows, first, map(read, records.values(other)), strict=True):
            if one != two:
                message = f"`{columns[0]}` or `{other}`: both may hold the {kind}, and here they differ"
                return [Problem(message, f"{path}:{row.line}", f"say which: {option} {columns[0]}")]
    return []


def _something_else(
    records: Records, chosen: Chosen, task: Task, label: str | None, answer: str | None
) -> list[Problem]:
    """Why columns that nobody named hold something else than labels and answers."""
    path, problems = str(records.path), []
    if chosen.label == chosen.answer:
        return [Problem(f"`{chosen.label}` cannot hold both the label and the answer", path, _shown(records))]
    labels, answers = records.values(chosen.label), records.values(chosen.answer)
    found = {label_of(value, task) for value in labels}
    # a single row may well be one with a label that the list lacks
    if label is None and len(labels) > 1 and not found & set(task.labels) and all(found):
        shown = ", ".join(f"`{short(one)}`" for one in sorted(found)[:3])
        hint = f"is it {task.name}? Name the column otherwise: --label-column NAME. {_shown(records)}"
        problems.append(Problem(f"column `{chosen.label}` holds no label of {task.name}: {shown}", path, hint))
    if answer is None:
        odd = any(label_of(value, task) not in task.labels for value in answers)
        for column in records.matching(*TEXT_COLUMNS) if odd else ():
            if _bare(answers) == _bare(records.values(column)):
                message = f"column `{chosen.answer}` repeats column `{column}`: it holds no answers"
                hint = f"name the column of the answers: --answer-column NAME. {_shown(records)}"
                problems.append(Problem(message, path, hint))
    return problems


def _bare(values: Sequence[Any]) -> list[str]:
    return [" ".join(str(value).split()).lower() for value in values]


def _shown(records: Records, most: int = 30) -> str:
    names = [short(name) for name in records.columns]
    return f"columns found: {', '.join(names[:most])}{', ...' if len(names) > most else ''}"
