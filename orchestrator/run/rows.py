"""From what stages left on disk to results rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.benchmark.task import Task
from orchestrator.plan.plan import Job, Plan
from orchestrator.recipe.recipe import Recipe
from orchestrator.run.entries import Entry, read_entries
from orchestrator.scores import confidence, metrics
from orchestrator.scores.results import MAJORITY, ResultsRow, overall_row
from orchestrator.scores.settings import settings
from orchestrator.scores.signature import decoding, prompt_label, signature


class Scored(NamedTuple):
    """A task of a done job, and what its score stage kept."""

    plan: Plan
    job: Job
    task: Task
    entry: Entry


def scored(plan: Plan) -> list[Scored]:
    """The tasks of a plan's done jobs."""
    found = []
    for job in plan.jobs:
        stage = job.stage("score")
        if stage.done:  # and so its file is as it was written
            pairs = zip(job.tasks, read_entries(stage.folder), strict=True)
            found += [Scored(plan, job, task, entry) for task, entry in pairs]
    return found


def results_of(found: Sequence[Scored]) -> list[ResultsRow]:
    """The results rows of a plan's scored tasks; of several tasks the overall row last."""
    rows = [_row(one) for one in found]
    if len(rows) < 2:
        return rows
    plan = found[0].plan
    split = plan.recipe.inference.split
    bad: Counter[str] = Counter()
    for one in found:
        bad.update(one.entry.stages.bad_videos)
    known: dict[str, Any] = {
        "infer_seconds": round(sum(row["infer_seconds"] for row in rows), 1),
        "bad_videos": plan.bad_videos.summary(bad),
        "too_long": _counts(sum((Counter(one.entry.stages.too_long) for one in found), Counter())),
        "dimension": f"{len(rows)} tasks",
    }
    sizes = [one.task.sizes.get(split) or one.entry.scores.n for one in found]
    if sure := confidence.overall([one.entry.confidence for one in found], sizes):
        known |= sure.as_row()
    return [*rows, overall_row(rows, metrics.overall([one.entry.scores for one in found], sizes), **known)]


def _row(one: Scored) -> ResultsRow:
    scores = {**one.entry.scores.as_row(), MAJORITY: one.entry.scores.majority}
    if one.entry.confidence:
        scores |= one.entry.confidence.as_row()
    told = {**_measured(one.plan, one.task, one.entry), **_set(one.job.recipe)}
    return {**told, **scores, **one.entry.row.model_dump(), "recipe_sha256": one.plan.recipe.digest}


def _measured(plan: Plan, task: Task, entry: Entry) -> ResultsRow:
    """The columns of a task's results row that say what was measured and how."""
    recipe, choice, bad = plan.recipe, plan.bad_videos, entry.stages.bad_videos
    model, split = recipe.model, recipe.inference.split
    prompt = entry.prompt or prompt_label(recipe, task)
    measured = choice.summary({split: bad[split]})  # what training lacked is no matter of what was measured
    return {
        "recipe": recipe.name,
        "model": model.name,
        "model_type": model.type,
        "params_b": model.params_b,
        "method": recipe.method,
        "toolkit": model.toolkit,
        "task": task.name,
        "dimension": task.dimension,
        "split": split,
        "prompt": prompt,
        "decoding": decoding(recipe),
        "frames": recipe.video.frames if recipe.modality == "video" else None,
        "seed": recipe.seed,
        "checkpoint": entry.stages.checkpoint,
        "train_seconds": entry.stages.train_seconds,
        "gpus": entry.stages.gpus,
        "signature": signature(recipe, task, entry.utterances, entry.scores.n, measured, prompt),
        "bad_videos": choice.summary(bad),
        "toolkit_version": plan.engine.environment.toolkit_version(),
        "engine": plan.engine.generator,
        "train_rows": entry.stages.train_rows,
        "startup_seconds": entry.stages.startup_seconds,
        "aborted_seconds": entry.stages.aborted_seconds,
        "too_long": _counts(entry.stages.too_long),
    }


def _counts(by_split: Mapping[str, int]) -> str:
    """Numbers by split, ``train=2,test=1``."""
    return ",".join(f"{split}={count}" for split, count in by_split.items() if count)


def _set(recipe: Recipe) -> ResultsRow:
    """The columns that say how a job was set up: under `sft` with its task's own settings."""
    train = recipe.train
    return {
        "dtype": recipe.inference.precision if recipe.model.gpus else None,  # of a hosted model nobody knows
        "learning_rate": train.learning_rate if train else None,
        "epochs": train.epochs if train else None,
        "batch_size": train.batch_size if train else None,
        "lora_rank": train.lora.rank if train and train.finetuning == "lora" else None,
        "settings": settings(recipe),
    }
