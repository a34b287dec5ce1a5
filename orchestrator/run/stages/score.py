"""Scores of the answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from orchestrator.benchmark.task import Task
from orchestrator.data.samples import Sample
from orchestrator.errors import StageError
from orchestrator.machine.checkout import git_commit
from orchestrator.plan.commands import PREDICTIONS, REQUESTS
from orchestrator.plan.outputs import InferOutputs, ScoreOutputs
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import reopen
from orchestrator.prompts.examples import samples_of
from orchestrator.run import journals
from orchestrator.run.answer_tables import write_table
from orchestrator.run.entries import Entry, Provenance, Scoring, read_entries, write_entries
from orchestrator.run.skipped import not_asked
from orchestrator.run.stages.context import AGAIN, Context
from orchestrator.scores import metrics
from orchestrator.scores.answer_file import AnswerRow
from orchestrator.scores.answers import Parser
from orchestrator.scores.confidence import Confidence, confidence, scores_of
from orchestrator.scores.oddities import oddities
from orchestrator.scores.signature import utterances_digest


def score(context: Context, stage: Stage) -> ScoreOutputs:
    """Parse the answers, compute the metrics, and keep the results rows; can always be done again.

    Raises:
        StageError: answers were lost, or the data is not what was asked.
    """
    asked = stage.input("infer")
    context.need_intact(asked)
    context.need_unchanged(asked, rows_only=True)
    predictions, answered = _predictions(asked), asked.outputs(InferOutputs)
    replaced = _replaced(stage)
    recipe = context.recipe
    entries = []
    for task in context.job.tasks:
        samples = samples_of(recipe, task, recipe.inference.split)
        long = {name: tokens for name, tokens in answered.too_long.items() if name.startswith(f"{task.name}/")}
        # under text_only the others are asked, without their clips
        bad = answered.bad_videos.get(task.name, 0) if recipe.on_bad_video == "skip" else 0
        _need_asked(asked, task, samples, predictions, bad + len(long))
        found = score_task(stage.folder, task, samples, predictions, recipe.name, long)
        row = Scoring(
            run_id=context.launcher.run_id,
            git_commit=git_commit(),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: round(seconds / answered.processes, 1) for name, seconds in found.seconds.items()},
        )
        entry = Entry(
            row=row,
            scores=found.scores,
            confidence=found.confidence,
            notes=found.notes,
            replaces=replaced,
            utterances=utterances_digest(samples),
            prompt=answered.prompts.get(task.name),
            stages=Provenance.of(recipe, stage, task),
        )
        entries.append(entry)
    context.need_unchanged(asked, rows_only=True)
    write_entries(stage.folder, entries)
    return ScoreOutputs(rows=len(entries))


def _replaced(stage: Stage) -> list[str]:
    """The runs whose scores stood here before."""
    try:
        return [run for entry in read_entries(stage.folder)[:1] for run in (*entry.replaces, entry.row.run_id)]
    except StageError:
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


def _need_asked(
    asked: Stage, task: Task, samples: Sequence[Sample], predictions: Collection[str], skipped: int
) -> None:
    """See that a sample that was not asked is one of those that were skipped: for a bad video, or as too long.

    Raises:
        StageError: it is none; the next run asks it.
    """
    missing = [sample.id for sample in samples if f"{task.name}/{sample.id}" not in predictions]
    if missing and len(missing) != skipped:
        reopen(asked.folder)
        count = f"{len(missing):,} of {len(samples):,} samples of {task.name} were not asked"
        raise StageError(f"{count}, but {skipped:,} were skipped\n{AGAIN}it asks the others")


class Scored(NamedTuple):
    """What came of scoring a task's answers; ``notes``: what is odd about them.

    ``seconds``: what these took, of all processes together, by the name of the results' column.
    ``confidence``: where they came with probabilities.
    """

    scores: metrics.Scores
    seconds: Mapping[str, float]
    notes: list[str]
    confidence: Confidence | None = None


def score_task(
    folder: Path,
    task: Task,
    samples: Sequence[Sample],
    predictions: Mapping[str, Mapping[str, Any]],
    recipe: str = "",
    too_long: Mapping[str, int] = MappingProxyType({}),
) -> Scored:
    """Score one task's answers and keep each beside its label, see `answer_tables`.

    Args:
        folder: the score stage's, which is written to.
        task: the task.
        samples: what was asked, with the labels.
        predictions: by ``<task>/<sample id>``: ``text`` and ``seconds``, or ``error`` where there is no answer. What
            was not asked was skipped, see `BadVideos.usable`.
        recipe: whose answers they are.
        too_long: what was skipped as too long, with its tokens.
    """
    parser = Parser(task.labels)
    parsed, texts = [], []
    seconds: dict[str, float] = {"infer_seconds": 0.0}
    table: list[AnswerRow] = []
    for sample in samples:
        name = f"{task.name}/{sample.id}"
        given = predictions.get(name) or {"error": not_asked(name, too_long)}
        text = given.get("text")
        answer = parser.read(given)
        parsed.append(answer)
        texts.append(text)
        seconds["infer_seconds"] += given.get("seconds", 0.0)
        for what, spent in given.get("spent", {}).items():
            seconds[f"{what}_seconds"] = seconds.get(f"{what}_seconds", 0.0) + spent
        row: AnswerRow = {
            "recipe": recipe,
            "task": task.name,
            "id": sample.id,
            "label": sample.label,
            "answer": text,
            "parsed": answer.label,
            "outcome": answer.outcome,
            "error": given.get("error"),
        }
        if known := scores_of(given.get("logprobs"), task.labels):
            row["logprobs"] = known
        table.append(row)
    write_table(folder, task.name, table)
    truth = [sample.label for sample in samples]
    scores = metrics.score(truth, parsed, task.labels)
    return Scored(scores, seconds, oddities(truth, parsed, texts), _confidence(table))


def _confidence(table: Sequence[AnswerRow]) -> Confidence | None:
    """That of the answers that there are, if all of them came with probabilities."""
    answered = [row for row in table if row["error"] is None]
    known = [row["logprobs"] for row in answered if "logprobs" in row]
    if not known or len(known) < len(answered):
        return None
    return confidence([row["label"] for row in answered], known)
