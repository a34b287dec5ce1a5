"""From answers to a results row: the score of one task, and what makes it comparable to another."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.bad_videos import SKIPPED, BadVideos, cache_of
from orchestrator.data.samples import Sample
from orchestrator.machine.checkout import git_commit
from orchestrator.machine.files import atomic_write, read_json
from orchestrator.plan.plan import Plan, Stage
from orchestrator.prompts import examples
from orchestrator.recipe.recipe import Recipe
from orchestrator.scores import answers, metrics
from orchestrator.scores.results import MAJORITY, Row, overall_row
from orchestrator.scores.signature import decoding, prompt_digest, signature

SCORES = "scores.json"


def score_task(
    recipe: Recipe,
    stage: Stage,
    task: Task,
    samples: Sequence[Sample],
    predictions: Mapping[str, Mapping[str, Any]],
    run_id: str,
) -> dict[str, Any]:
    """Score one task's answers and keep each beside its label in ``<task>.csv``.

    Args:
        recipe: as the job runs it.
        stage: the score stage, whose folder is written to.
        task, samples: what was asked, with the labels.
        predictions: by ``<task>/<sample id>``: ``text``, or ``error`` where there is no answer.
        run_id: the run that computes this.

    Returns:
        ``row``: the columns of the results row that are facts of this scoring; ``scores``: all of the scores;
        ``stages``: see `behind`.
    """
    parser = answers.Parser(task.labels)
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
    row = {
        **scores.as_row(),
        MAJORITY: scores.majority,
        "infer_seconds": round(seconds, 1),
        "run_id": run_id,
        "git_commit": git_commit(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {"row": row, "scores": asdict(scores), "stages": behind(recipe, stage, task)}


def behind(recipe: Recipe, stage: Stage, task: Task) -> dict[str, Any]:
    """What the stages behind a score were, which is kept beside it: their folders may be deleted to free the disk.

    ``checkpoint``, ``train_seconds``, ``gpus``, and ``bad_videos``: how many of the task's were bad, by split.
    """
    select, train, infer = stage.need("select"), stage.need("train"), stage.need("infer")
    assert infer is not None
    inferred = read_json(infer.folder / "stage.json")
    selection = read_json(select.folder / "selection.json") if select else None
    trained = read_json(train.folder / "stage.json") if train else None
    used = [recipe.model.gpus * inferred["outputs"].get("processes", 1) if inferred["device"] == "cuda" else 0]
    if trained and trained["device"] == "cuda":
        used.append(trained["processes"])  # the recipe's may have changed since
    return {
        "checkpoint": selection["checkpoint"] if selection else None,
        "train_seconds": round(trained["seconds"], 1) if trained else None,
        "gpus": max(used),
        "bad_videos": _bad_videos(recipe, task, inferred, train),
    }


def about(plan: Plan, task: Task, n: int, stages: Mapping[str, Any]) -> Row:
    """The columns of a task's results row that say what was measured and how; ``stages``: see `behind`."""
    recipe = plan.recipe
    model, bad = recipe.model, stages["bad_videos"]
    choice = BadVideos(recipe, cache_of(plan.folder.parent))
    return {
        "recipe": recipe.name,
        "model": model.name,
        "model_type": model.type,
        "params_b": model.params_b,
        "method": recipe.method,
        "toolkit": model.toolkit,
        "task": task.name,
        "dimension": task.dimension,
        "split": recipe.inference.split,
        "prompt": f"{examples.wording_of(recipe, task, recipe.inference.split).name}@{prompt_digest(recipe, task)[:8]}",
        "decoding": decoding(recipe),
        "frames": recipe.video.frames if recipe.modality == "video" else None,
        "seed": recipe.seed,
        "checkpoint": stages["checkpoint"],
        "train_seconds": stages["train_seconds"],
        "gpus": stages["gpus"],
        # what training lacked is no matter of what was measured
        "signature": signature(recipe, task, n, choice.counted({recipe.inference.split: bad[recipe.inference.split]})),
        "bad_videos": choice.counted(bad),
        "toolkit_version": plan.toolkit.environment.toolkit_version(),
    }


def results_of(plan: Plan) -> list[Row]:
    """The results rows of a plan's done jobs, the overall row last."""
    rows: list[Row] = []
    parts: list[metrics.Scores] = []
    sizes: list[float] = []
    sha = plan.recipe.digest
    for job in plan.jobs:
        stage = job.stage("score")
        if not stage.done:
            continue
        for task, entry in zip(job.tasks, read_json(stage.folder / SCORES), strict=True):
            parts.append(metrics.Scores(**entry["scores"]))
            facts = about(plan, task, parts[-1].n, entry["stages"])
            rows.append({**facts, **entry["row"], "recipe_sha256": sha})
            sizes.append(task.sizes.get(plan.recipe.inference.split) or parts[-1].n)
    if rows:
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update({split: int(number) for split, number in re.findall(r"(\w+)=(\d+)", row["bad_videos"])})
        bad = BadVideos(plan.recipe, cache_of(plan.folder.parent)).counted(counts)
        seconds = round(sum(row["infer_seconds"] for row in rows), 1)
        known = {
            "infer_seconds": seconds,
            "bad_videos": bad,
            "dimension": f"{len(rows)} tasks" if len(rows) > 1 else rows[0]["dimension"],
        }
        rows.append(overall_row(rows, metrics.overall(parts, sizes), **known))
    return rows


def _bad_videos(recipe: Recipe, task: Task, inferred: Mapping[str, Any], train: Stage | None) -> dict[str, int]:
    """How many videos of a task were bad, by split, as the stages counted them."""
    convert = train.need("convert") if train else None
    outputs = (read_json(convert.folder / "stage.json") or {}).get("outputs", {}) if convert else {}
    counts = {split: tasks.get(task.name, 0) for split, tasks in outputs.get("bad_videos", {}).items()}
    return counts | {recipe.inference.split: inferred["outputs"].get("bad_videos", {}).get(task.name, 0)}
