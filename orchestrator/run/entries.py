"""What is kept of a job's scoring: ``scores.json``, an entry a task. It is read and written here alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from orchestrator.benchmark.task import Task
from orchestrator.errors import StageError
from orchestrator.machine.files import read_json, write_json
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, SelectOutputs, TrainOutputs
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import read
from orchestrator.plan.times import times
from orchestrator.recipe.recipe import Recipe
from orchestrator.scores.confidence import Confidence
from orchestrator.scores.metrics import Scores

SCORES = "scores.json"


@dataclass(frozen=True)
class Provenance:
    """What the stages behind a task's score were; kept beside it, for their folders may be deleted to free the disk.

    Attributes:
        checkpoint: its name.
        train_seconds: `Times.work` of the training.
        gpus: the most that a stage used.
        bad_videos: how many of the task's videos were bad, by split.
        train_rows: how many rows were trained on; here and below ``None`` where an earlier version scored.
        startup_seconds: `Times.startup` of training and inference together.
        aborted_seconds: `Times.aborted` of both.
        too_long: how many of the task's samples were left out as too long, by split.
    """

    checkpoint: str | None
    train_seconds: float | None
    gpus: int
    bad_videos: dict[str, int]
    train_rows: int | None = None
    startup_seconds: float | None = None
    aborted_seconds: float | None = None
    too_long: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, stage: Stage, task: Task) -> Provenance:
        """Read from the stages that a score stage needs.

        Raises:
            StageError: what one of them said was lost since.
        """
        select, train, infer = stage.need("select"), stage.need("train"), stage.input("infer")
        inferred, outputs = read(infer.folder), infer.outputs(InferOutputs)
        trained = read(train.folder) if train else None
        converted = read(train.input("convert").folder) if train else None
        used = [recipe.model.gpus * outputs.processes if inferred and inferred.device == "cuda" else 0]
        if trained and trained.device == "cuda":
            used.append(trained.processes)  # the recipe's may have changed since
        training = converted.outputs_as(ConvertOutputs) if converted else None
        bad = {split: tasks.get(task.name, 0) for split, tasks in training.bad_videos.items()} if training else {}
        bad[recipe.inference.split] = outputs.bad_videos.get(task.name, 0)
        told = trained.outputs_as(TrainOutputs) if trained else None
        left_out = dict(told.too_long) if told else {}
        rows = training.rows.get("train", 0) - len(left_out.get("train", {})) if training else None
        left_out[recipe.inference.split] = outputs.too_long
        training_times = times(trained.attempts if trained else ())
        both = (training_times, times(inferred.attempts if inferred else ()))
        return cls(
            checkpoint=select.outputs(SelectOutputs).checkpoint if select else None,
            train_seconds=round(training_times.work, 1) if trained else None,
            gpus=max(used),
            bad_videos=bad,
            train_rows=rows,
            startup_seconds=round(sum(one.startup for one in both), 1),
            aborted_seconds=round(sum(one.aborted for one in both), 1),
            too_long={
                split: count
                for split, those in left_out.items()
                if (count := sum(name.startswith(f"{task.name}/") for name in those))
            },
        )


class Scoring(BaseModel):
    """When and by what a task was scored, as the results row says it.

    ``infer_seconds``: of its answers, start-up apart; wall time, also where several processes shared the requests.
    """

    run_id: str
    git_commit: str
    created_at: str
    infer_seconds: float


class Entry(BaseModel):
    """A task's scores and what there is to say of them.

    Attributes:
        row: of the scoring.
        scores: all of them.
        notes: what is odd about the answers.
        replaces: the runs whose scores stood here before.
        utterances: `signature.utterances_digest` of what was scored.
        prompt: `signature.prompt_label` of what was asked; ``None`` where that is not known.
        stages: behind it.
        confidence: where answers came with probabilities.
    """

    row: Scoring
    scores: Scores
    notes: list[str]
    replaces: list[str] = []
    utterances: str
    prompt: str | None = None
    stages: Provenance
    confidence: Confidence | None = None


_ENTRIES = TypeAdapter(list[Entry])


def write_entries(folder: Path, entries: Sequence[Entry]) -> None:
    """Keep the entries of a score stage.

    Raises:
        OSError: the disk refuses it; what was there stands.
    """
    write_json(folder / SCORES, _ENTRIES.dump_python(list(entries)))


def read_entries(folder: Path) -> list[Entry]:
    """The entries of a score stage, in the order of its job's tasks.

    Raises:
        StageError: there are none, or they are damaged.
    """
    try:
        return _ENTRIES.validate_python(read_json(folder / SCORES))
    except ValidationError:
        message = f"{folder / SCORES} is not what the stage wrote"
        raise StageError(f"{message}\n    rm -r {folder}, and run the same command again: it scores anew") from None
