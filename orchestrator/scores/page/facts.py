"""What is said of runs beside their accuracy: how good answers are, what differs, what it cost, where it is from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.scores.compare.agreement import differing
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.confidence import COLUMNS
from orchestrator.scores.results import ResultsRow

RATES = ("unknown", "multi", "empty", "error")
HOUR = 3600.0


@dataclass(frozen=True)
class Quality:
    """How many of a run's answers cannot be right, whatever was asked: rates in percent.

    Attributes:
        run: its name.
        rates: by outcome, over all its samples.
        worst: the task with most of them, and the rate there; ``None``: there are none.
    """

    run: str
    rates: Mapping[str, float]
    worst: tuple[str, float] | None


def quality(runs: Sequence[Run]) -> list[Quality]:
    """The quality of each run's answers."""
    found = []
    for run in runs:
        rows = [row for row in run.rows.values() if row["n"]]
        total = sum(row["n"] for row in rows)
        rates = {name: sum((row[name] or 0) * row["n"] for row in rows) / total if total else 0.0 for name in RATES}
        sums = {str(row["task"]): sum(row[name] or 0 for name in RATES) for row in rows}
        worst = max(sums, key=lambda task: sums[task], default=None)
        found.append(Quality(run.name, rates, (worst, sums[worst]) if worst and sums[worst] else None))
    return found


@dataclass(frozen=True)
class Sure:
    """How far the probabilities of a run's answers to a task can be trusted, see `scores.confidence.Confidence`.

    ``ece`` and ``aurc`` in percent; ``None``: the CSV does not say.
    """

    run: str
    task: str
    log_loss: float | None
    brier: float | None
    ece: float | None
    aurc: float | None


def confidences(runs: Sequence[Run]) -> list[Sure]:
    """Those of the runs and tasks whose answers came with probabilities."""
    return [
        Sure(run.name, task, *(row.get(name) for name in COLUMNS))
        for run in runs
        for task, row in run.rows.items()
        if any(row.get(name) is not None for name in COLUMNS)
    ]


@dataclass(frozen=True)
class Cost:
    """What a run took; ``None``: its CSV does not say.

    Attributes:
        run: its name.
        train, infer: seconds of training and of inference.
        startup, aborted: seconds until either had begun, and of attempts that left nothing.
        gpus: how many it used at once.
        gpu_hours: all of these times the GPUs.
        loads: how often the model was loaded to answer, if nothing was repeated: once for each checkpoint.
        rate: samples answered in a second.
    """

    run: str
    train: float | None
    infer: float | None
    startup: float | None
    aborted: float | None
    gpus: int | None
    gpu_hours: float | None
    loads: int
    rate: float | None


def costs(runs: Sequence[Run]) -> list[Cost]:
    """The cost of each run: `sft` trains for each task, the others once for all; answers are counted by task."""
    found = []
    for run in runs:
        rows = list(run.rows.values())
        jobs = rows if rows and rows[0]["method"] == "sft" else rows[:1]
        train, infer = _seconds(jobs, "train_seconds"), _seconds(rows, "infer_seconds")
        startup, aborted = _seconds(jobs, "startup_seconds"), _seconds(jobs, "aborted_seconds")
        gpus = max((row["gpus"] for row in rows if row["gpus"] is not None), default=None)
        known = [seconds for seconds in (train, infer, startup, aborted) if seconds is not None]
        hours = sum(known) / HOUR * gpus if known and gpus else None
        samples = sum(row["n"] or 0 for row in rows)
        rate = samples / infer if infer else None
        found.append(Cost(run.name, train, infer, startup, aborted, gpus, hours, len(jobs), rate))
    return found


def _seconds(rows: Sequence[ResultsRow], name: str) -> float | None:
    seconds = [float(row[name]) for row in rows if row.get(name) is not None]
    return math.fsum(seconds) if seconds else None


def differences(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The settings in which runs differ, over the tasks that all of them have: what each run says."""
    common = [task for task in runs[0].rows if all(task in run.rows for run in runs)] if runs else []
    return differing(runs, common) if common and len(runs) > 1 else {}


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    Attributes:
        run: its name.
        path: its results CSV.
        facts: what is the same for all its tasks, by column.
        rows: by task, the rest: signature, checkpoint, bad videos.
    """

    run: str
    path: str
    facts: Mapping[str, str]
    rows: Mapping[str, Mapping[str, str]]


FACTS = ("recipe", "run_id", "toolkit", "toolkit_version", "git_commit", "recipe_sha256", "created_at", "settings")
BY_TASK = ("prompt", "decoding", "checkpoint", "bad_videos", "signature")


def origins(runs: Sequence[Run]) -> list[Origin]:
    """The versions, settings and signatures of each run."""
    return [
        Origin(
            run.name,
            run.path.name,
            {name: text for name in FACTS if (text := _common(run, name))},
            {task: {name: _text(row.get(name)) for name in BY_TASK} for task, row in run.rows.items()},
        )
        for run in runs
    ]


def _common(run: Run, name: str) -> str:
    texts = dict.fromkeys(_text(row.get(name)) for row in run.rows.values())
    return ", ".join(text for text in texts if text)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def majority(runs: Sequence[Run]) -> dict[str, float]:
    """By task, how often its most frequent label is right, in percent: of the runs that tell, in the largest."""
    found: dict[str, tuple[int, float]] = {}
    for run in runs:
        for task, row in run.rows.items():
            value, n = row.get("majority"), row["n"] or 0
            if value is None and run.answers is not None and task in run.answers:
                counts = Counter(run.answers[task].truth.tolist())
                value = 100 * max(counts.values()) / counts.total()
            if value is not None and n > found.get(task, (0, 0.0))[0]:
                found[task] = n, float(value)
    return {task: value for task, (_, value) in found.items()}
