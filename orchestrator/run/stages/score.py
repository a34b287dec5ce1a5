"""Scores of the answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.bad_videos import SKIPPED
from orchestrator.data.samples import Sample
from orchestrator.machine.checkout import git_commit
from orchestrator.machine.files import atomic_write, read_jsonl, write_json
from orchestrator.plan.commands import PREDICTIONS
from orchestrator.plan.plan import Stage
from orchestrator.prompts.examples import samples_of
from orchestrator.run.rows import SCORES, Provenance
from orchestrator.run.stages.context import Context
from orchestrator.scores import metrics
from orchestrator.scores.answers import Parser
from orchestrator.scores.results import MAJORITY


def score(context: Context, stage: Stage) -> dict[str, Any]:
    """Parse the answers, compute the metrics, and keep the results rows; can always be done again."""
    predictions = {p["id"]: p for p in read_jsonl(stage.input("infer").folder / PREDICTIONS)}
    recipe = context.recipe
    entries = []
    for task in context.job.tasks:
        samples = samples_of(recipe, task, recipe.inference.split)
        entry = _score_task(stage, task, samples, predictions)
        entry["row"] |= {
            "run_id": context.launcher.run_id,
            "git_commit": git_commit(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        entries.append(entry | {"stages": asdict(Provenance.of(recipe, stage, task))})
    write_json(stage.folder / SCORES, entries)
    return {"rows": len(entries)}


def _score_task(
    stage: Stage, task: Task, samples: Sequence[Sample], predictions: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Score one task's answers and keep each beside its label in ``<task>.csv``.

    Args:
        stage: the score stage, whose folder is written to.
        task: the task.
        samples: what was asked, with the labels.
        predictions: by ``<task>/<sample id>``: ``text`` and ``seconds``, or ``error`` where there is no answer.

    Returns:
        ``row``: the columns of the results row that are facts of this scoring; ``scores``: all of the scores.
    """
    parser = Parser(task.labels)
    parsed = []
    seconds = 0.0
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "label", "answer", "parsed", "outcome", "error"])
    for sample in samples:
        given = predictions.get(f"{task.name}/{sample.id}", {"error": SKIPPED})
        answer = parser.parse(given.get("text"))
        parsed.append(answer)
        seconds += given.get("seconds", 0.0)
        writer.writerow([sample.id, sample.label, given.get("text"), answer.label, answer.outcome, given.get("error")])
    atomic_write(stage.folder / f"{task.name}.csv", table.getvalue())
    scores = metrics.score([sample.label for sample in samples], parsed, task.labels)
    row = {**scores.as_row(), MAJORITY: scores.majority, "infer_seconds": round(seconds, 1)}
    return {"row": row, "scores": asdict(scores)}
