"""What must be the same for two runs to be compared on a task, and what is shown where it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.errors import Problem, listed
from orchestrator.scores.compare.answers import Answers
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.results import ResultsRow

# parts of the signature that must agree -> in words
MUST = {
    "data": "the utterances (or their labels)",
    "labels": "the task's list of labels",
    "split": "the split",
    "n": "the number of samples",
    "parser": "the rule by which answers are read",
}
MOST_IDS = 3  # named of those that differ
# columns of the results that are shown where runs differ; what else a recipe says is in the column `settings`
SHOWN = ("model", "method", "toolkit", "prompt", "decoding", "frames", "engine", "dtype", "learning_rate",
         "epochs", "batch_size", "lora_rank", "train_rows", "seed", "bad_videos", "too_long", "git_commit",
         "toolkit_version")  # fmt: skip
# keys of `settings` that are one of these columns
IN_COLUMNS = {
    "method": "method", "seed": "seed", "train.learning_rate": "learning_rate", "train.epochs": "epochs",
    "train.batch_size": "batch_size", "train.lora.rank": "lora_rank", "inference.precision": "dtype",
    "inference.engine": "engine", "inference.temperature": "decoding", "inference.top_p": "decoding",
    "inference.max_new_tokens": "decoding", "inference.answers": "decoding", "inference.label_score": "decoding",
    "prompt.template": "prompt", "prompt.system": "prompt",
    "video.frames": "frames", "video.max_pixels": "frames",
}  # fmt: skip
DEFAULT, NOT_KNOWN, NOTHING = "default", "?", "-"


class Unlike(NamedTuple):
    """Why a run cannot be compared with the others on a task.

    Attributes:
        task: its name.
        run: the run's name.
        parts: those of the signature that differ.
        problem: the same for the user.
    """

    task: str
    run: str
    parts: tuple[str, ...]
    problem: Problem


def unlike(*runs: Run) -> list[Unlike]:
    """What keeps runs from being compared: of each task with the baseline, or else with the first run that has it."""
    first = {task: run for run in reversed(runs) for task in run.rows}
    found = (_unlike(first[task], run, task) for run in runs for task in run.rows if run is not first[task])
    return [one for one in found if one]


def _unlike(first: Run, run: Run, task: str) -> Unlike | None:
    ours, theirs = parts_of(first.rows[task]), parts_of(run.rows[task])
    parts = [name for name in MUST if ours.get(name) and theirs.get(name) and ours[name] != theirs[name]]
    reasons = [f"{MUST[name]} ({name} {ours[name]} and {theirs[name]})" for name in parts]
    if first.answers and run.answers and not {"data", "split", "n"} & set(parts):
        told = _samples(first.answers[task], run.answers[task])
        parts += ["data"] if told else []
        reasons += [told] if told else []
    if not parts:
        return None
    message = f"{task}: `{first.name}` and `{run.name}` differ in {'; '.join(reasons)}"
    return Unlike(task, run.name, tuple(parts), Problem(message, str(run.path)))


def same_samples(ours: Answers, theirs: Answers) -> bool:
    """Whether two runs answered the same samples with the same true labels, in whatever order."""
    return not _samples(ours, theirs)


def _samples(ours: Answers, theirs: Answers) -> str:
    """How the samples of two runs differ; empty where they do not."""
    if ours.ids != theirs.ids and (ours.ids and set(ours.ids) != set(theirs.ids)):
        lacking = sorted(set(ours.ids) ^ set(theirs.ids))
        return f"their samples: {len(lacking):,} ids are in one of them alone ({listed(lacking, MOST_IDS)})"
    theirs = theirs.ordered(ours.ids)
    names = list(dict.fromkeys((*ours.classes, *theirs.classes)))
    other = (ours.coded(names).truth != theirs.coded(names).truth).nonzero()[0]
    if not len(other):
        return ""
    first = int(other[0])
    said = f"`{ours.ids[first]}` is `{ours.label(first)}` and `{theirs.label(first)}`"
    return f"the true labels of {len(other):,} samples: {said}"


def parts_of(row: ResultsRow) -> dict[str, str]:
    """What a row says of the parts of its signature; what it does not say is not there."""
    parts = dict(part.partition(":")[::2] for part in str(row.get("signature") or "").split("|") if ":" in part)
    told = {"split": row.get("split"), "n": row.get("n")}
    return {name: str(value) for name, value in told.items() if value is not None} | parts


def differing(runs: Sequence[Run], tasks: Sequence[str]) -> dict[str, list[str]]:
    """The settings in which runs differ, each with what each run says; what a CSV does not hold is ``?``.

    Args:
        runs: the runs.
        tasks: those that all of them have.
    """
    said = [settings_of(run, tasks) for run in runs]
    names = dict.fromkeys(name for one in said for name in one)
    rest = [DEFAULT if tells_settings(run) else NOT_KNOWN for run in runs]
    table = {name: [one.get(name, other) for one, other in zip(said, rest, strict=True)] for name in names}
    return {name: values for name, values in table.items() if len(set(values)) > 1}


def tells_settings(run: Run) -> bool:
    """Whether a run's CSV holds the column `settings`, which says what is not at its default."""
    return all(row.get("settings") for row in run.rows.values())


def settings_of(run: Run, tasks: Sequence[str]) -> dict[str, str]:
    """What a run's rows say of its settings, by column; by key of recipes, where it is not at its default."""
    rows = [run.rows[task] for task in tasks]
    # an earlier version's CSV lacks columns; in one of today an empty field says that there is no such thing
    empty = NOTHING if tells_settings(run) else NOT_KNOWN
    found = {name: _joined([row.get(name) for row in rows], empty) for name in SHOWN if name in rows[0]}
    frames = [parts_of(row).get("frames") for row in rows]
    if any(frames):  # the signature tells their size, too
        found["frames"] = _joined(frames)
    given = [_given(row) for row in rows]
    for name in dict.fromkeys(name for one in given for name in one):
        if found.get(IN_COLUMNS.get(name, name), NOTHING) in (NOT_KNOWN, NOTHING):
            found[name] = _joined([one.get(name, DEFAULT) for one in given])
    return found


def _given(row: ResultsRow) -> Mapping[str, Any]:
    try:
        value = json.loads(row.get("settings") or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _joined(values: Sequence[Any], empty: str = NOTHING) -> str:
    """The one value of all tasks, or those that there are."""
    return listed(list(dict.fromkeys(_text(value, empty) for value in values)), 2)


def _text(value: Any, empty: str) -> str:
    if value is None:
        return empty
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
