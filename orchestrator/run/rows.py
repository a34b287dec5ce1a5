"""From what stages left on disk to results rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.machine.files import read_json
from orchestrator.plan.commands import SELECTION
from orchestrator.plan.plan import Plan, Stage
from orchestrator.plan.record import outputs_in, state_in
from orchestrator.recipe.recipe import Recipe
from orchestrator.scores import metrics
from orchestrator.scores.results import ResultsRow, overall_row
from orchestrator.scores.signature import decoding, prompt_label, signature

SCORES = "scores.json"


@dataclass(frozen=True)
class Provenance:
    """What the stages behind a task's score were; kept beside it, for their folders may be deleted to free the disk.

    ``checkpoint``: its name; ``train_seconds``: wall time of the training; ``gpus``: the most that a stage used;
    ``bad_videos``: how many of the task's videos were bad, by split.
    """

    checkpoint: str | None
    train_seconds: float | None
    gpus: int
    bad_videos: dict[str, int]

    @classmethod
    def of(cls, recipe: Recipe, stage: Stage, task: Task) -> Provenance:
        """Read from the stages that a score stage needs."""
        select, train, infer = stage.need("select"), stage.need("train"), stage.input("infer")
        inferred, trained = state_in(infer.folder), state_in(train.folder) if train else {}
        on_gpus = inferred["device"] == "cuda"
        used = [recipe.model.gpus * inferred["outputs"].get("processes", 1) if on_gpus else 0]
        if trained and trained["device"] == "cuda":
            used.append(trained["processes"])  # the recipe's may have changed since
        converted = outputs_in(train.input("convert").folder) if train else {}
        bad = {split: tasks.get(task.name, 0) for split, tasks in converted.get("bad_videos", {}).items()}
        bad[recipe.inference.split] = inferred["outputs"].get("bad_videos", {}).get(task.name, 0)
        return cls(
            checkpoint=read_json(select.folder / SELECTION)["checkpoint"] if select else None,
            train_seconds=round(trained["seconds"], 1) if trained else None,
            gpus=max(used),
            bad_videos=bad,
        )


def scored(plan: Plan) -> Iterator[tuple[Task, dict[str, Any]]]:
    """The tasks of a plan's done jobs, each with what its score stage kept (see `stages.score`)."""
    for job in plan.jobs:
        stage = job.stage("score")
        if stage.done:  # and so its file is as it was written
            yield from zip(job.tasks, read_json(stage.folder / SCORES), strict=True)


def results_of(plan: Plan) -> list[ResultsRow]:
    """The results rows of a plan's done jobs, the overall row last."""
    rows: list[ResultsRow] = []
    parts: list[metrics.Scores] = []
    sizes: list[float] = []
    bad: Counter[str] = Counter()
    split, sha = plan.recipe.inference.split, plan.recipe.digest
    for task, entry in scored(plan):
        score, provenance = metrics.Scores(**entry["scores"]), Provenance(**entry["stages"])
        measured = _measured(plan, task, score.n, entry, provenance)
        rows.append({**measured, **entry["row"], "recipe_sha256": sha})
        parts.append(score)
        sizes.append(task.sizes.get(split) or score.n)
        bad.update(provenance.bad_videos)
    if rows:
        known: dict[str, Any] = {
            "infer_seconds": round(sum(row["infer_seconds"] for row in rows), 1),
            "bad_videos": plan.bad_videos.summary(bad),
            "dimension": f"{len(rows)} tasks" if len(rows) > 1 else rows[0]["dimension"],
        }
        rows.append(overall_row(rows, metrics.overall(parts, sizes), **known))
    return rows


def _measured(plan: Plan, task: Task, n: int, entry: Mapping[str, Any], provenance: Provenance) -> ResultsRow:
    """The columns of a task's results row that say what was measured and how."""
    prompt = entry.get("prompt") or prompt_label(plan.recipe, task)
    recipe = plan.recipe
    model, split, bad = recipe.model, recipe.inference.split, provenance.bad_videos
    choice = plan.bad_videos
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
        "checkpoint": provenance.checkpoint,
        "train_seconds": provenance.train_seconds,
        "gpus": provenance.gpus,
        # what training lacked is no matter of what was measured
        "signature": signature(recipe, task, entry["utterances"], n, choice.summary({split: bad[split]}), prompt),
        "bad_videos": choice.summary(bad),
        "toolkit_version": plan.engine.environment.toolkit_version(),
    }
