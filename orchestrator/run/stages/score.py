"""Scores of the answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.bad_videos import SKIPPED
from orchestrator.data.samples import Sample
from orchestrator.errors import StageError
from orchestrator.machine.checkout import git_commit
from orchestrator.machine.files import read_json, write_csv, write_json
from orchestrator.plan.commands import PREDICTIONS, REQUESTS
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import outputs_in, reopen
from orchestrator.prompts.examples import samples_of
from orchestrator.run import journals
from orchestrator.run.rows import SCORES, Provenance
from orchestrator.run.stages.context import AGAIN, Context
from orchestrator.scores import metrics
from orchestrator.scores.answers import Parser
from orchestrator.scores.oddities import oddities
from orchestrator.scores.results import MAJORITY
from orchestrator.scores.signature import utterances_digest


def score(context: Context, stage: Stage) -> dict[str, Any]:
    """Parse the answers, compute the metrics, and keep the results rows; can always be done again.

    Raises:
        StageError: answers were lost, or the data is not what was asked.
    """
    asked = stage.input("infer")
    context.need_intact(asked)
    context.need_unchanged(asked, rows_only=True)
    predictions = _predictions(asked)
    replaced = _replaced(stage)
    recipe = context.recipe
    entries = []
    for task in context.job.tasks:
        samples = samples_of(recipe, task, recipe.inference.split)
        _need_asked(asked, task, samples, predictions)
        entry = _score_task(stage, task, samples, predictions)
        entry["row"] |= {
            "run_id": context.launcher.run_id,
            "git_commit": git_commit(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        entry["replaces"] = replaced
        entry["utterances"] = utterances_digest(samples)
        entry["prompt"] = outputs_in(asked.folder).get("prompts", {}).get(task.name)
        entries.append(entry | {"stages": asdict(Provenance.of(recipe, stage, task))})
    context.need_unchanged(asked, rows_only=True)
    write_json(stage.folder / SCORES, entries)
    return {"rows": len(entries)}


def _replaced(stage: Stage) -> list[str]:
    """The runs whose scores stood here before."""
    entries = read_json(stage.folder / SCORES)
    try:
        return [*entries[0].get("replaces", ()), str(entries[0]["row"]["run_id"])]
    except (LookupError, TypeError, AttributeError):  # there is none, or it is damaged
        return []


def _predictions(asked: Stage) -> dict[str, journals.Prediction]:
    """The answers to all requests, by ``<task>/<sample id>``.

    Raises:
        StageError: some are lost; the next run asks them again.
    """
    requests = [json.loads(line)["id"] for line in (asked.folder / REQUESTS).read_text("utf-8").splitlines()]
    predictions = journals.predictions_in(asked.folder)
    if lost := [name for name in requests if name not in predictions]:
        reopen(asked.folder)
        count = f"{len(lost):,} of {len(requests):,} requests have no answer, the first {lost[0]}"
        raise StageError(f"{count}, in {asked.folder / PREDICTIONS}\n{AGAIN}it asks these")
    return {name: predictions[name] for name in requests}


def _need_asked(asked: Stage, task: Task, samples: Sequence[Sample], predictions: Collection[str]) -> None:
    """See that a sample that was not asked is one whose bad video was skipped.

    Raises:
        StageError: it is none; the next run asks it.
    """
    missing = [sample.id for sample in samples if f"{task.name}/{sample.id}" not in predictions]
    skipped = outputs_in(asked.folder).get("bad_videos", {}).get(task.name, 0)
    if missing and len(missing) != skipped:
        reopen(asked.folder)
        count = f"{len(missing):,} of {len(samples):,} samples of {task.name} were not asked"
        raise StageError(f"{count}, but {skipped:,} have a bad video that was skipped\n{AGAIN}it asks the others")


def _score_task(
    stage: Stage, task: Task, samples: Sequence[Sample], predictions: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Score one task's answers and keep each beside its label in ``<task>.csv``.

    Args:
        stage: the score stage, whose folder is written to.
        task: the task.
        samples: what was asked, with the labels.
        predictions: by ``<task>/<sample id>``: ``text`` and ``seconds``, or ``error`` where there is no answer. What
            was not asked was skipped, see `BadVideos.usable`.

    Returns:
        ``row``: the columns of the results row that are facts of this scoring; ``scores``: all of the scores;
        ``notes``: what is odd about the answers.
    """
    parser = Parser(task.labels)
    parsed, texts = [], []
    seconds = 0.0
    table: list[list[Any]] = [["id", "label", "answer", "parsed", "outcome", "error"]]
    for sample in samples:
        given = predictions.get(f"{task.name}/{sample.id}", {"error": SKIPPED})
        text = given.get("text")
        answer = parser.parse(text)
        parsed.append(answer)
        texts.append(text)
        seconds += given.get("seconds", 0.0)
        table.append([sample.id, sample.label, text, answer.label, answer.outcome, given.get("error")])
    write_csv(stage.folder / f"{task.name}.csv", table)
    truth = [sample.label for sample in samples]
    scores = metrics.score(truth, parsed, task.labels)
    row = {**scores.as_row(), MAJORITY: scores.majority, "infer_seconds": round(seconds, 1)}
    return {"row": row, "scores": asdict(scores), "notes": oddities(truth, parsed, texts)}
