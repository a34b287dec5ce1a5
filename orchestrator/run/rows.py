"""From what stages left on disk to results rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.plan.plan import Plan
from orchestrator.run.entries import Entry, read_entries
from orchestrator.scores import metrics
from orchestrator.scores.results import MAJORITY, ResultsRow, overall_row
from orchestrator.scores.signature import decoding, prompt_label, signature


def scored(plan: Plan) -> Iterator[tuple[Task, Entry]]:
    """The tasks of a plan's done jobs, each with what its score stage kept."""
    for job in plan.jobs:
        stage = job.stage("score")
        if stage.done:  # and so its file is as it was written
            yield from zip(job.tasks, read_entries(stage.folder), strict=True)


def results_of(plan: Plan) -> list[ResultsRow]:
    """The results rows of a plan's done jobs, the overall row last."""
    rows: list[ResultsRow] = []
    parts: list[metrics.Scores] = []
    sizes: list[float] = []
    bad: Counter[str] = Counter()
    split, sha = plan.recipe.inference.split, plan.recipe.digest
    for task, entry in scored(plan):
        found = {**entry.scores.as_row(), MAJORITY: entry.scores.majority, **entry.row.model_dump()}
        rows.append({**_measured(plan, task, entry), **found, "recipe_sha256": sha})
        parts.append(entry.scores)
        sizes.append(task.sizes.get(split) or entry.scores.n)
        bad.update(entry.stages.bad_videos)
    if rows:
        known: dict[str, Any] = {
            "infer_seconds": round(sum(row["infer_seconds"] for row in rows), 1),
            "bad_videos": plan.bad_videos.summary(bad),
            "dimension": f"{len(rows)} tasks" if len(rows) > 1 else rows[0]["dimension"],
        }
        rows.append(overall_row(rows, metrics.overall(parts, sizes), **known))
    return rows


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
    }
