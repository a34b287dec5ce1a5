"""Stages that are done, without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.plan.outputs import (
    ConvertOutputs,
    InferOutputs,
    InitOutputs,
    Kind,
    MergeOutputs,
    Outputs,
    ScoreOutputs,
    SelectOutputs,
    TrainOutputs,
)
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import Record, write

DONE: dict[Kind, Outputs] = {
    "init": InitOutputs(texts=2),
    "convert": ConvertOutputs(rows={"train": 1, "dev": 1}),
    "train": TrainOutputs(steps=9),
    "select": SelectOutputs(strategy="last", checkpoint="checkpoint-9", step=9, path="../train-0/output/checkpoint-9"),
    "merge": MergeOutputs(merged="merged"),
    "infer": InferOutputs(requests=1),
    "score": ScoreOutputs(rows=1),
}


def finish(stage: Stage, **more: Any) -> Record:
    """Have a stage's folder say that it is done; ``more`` are fields of its record."""
    known = {"job": stage.job, "key": stage.key, "made_from": stage.lineage()}
    return finish_in(stage.folder, stage.kind, **{**known, **more})


def finish_in(folder: Path, kind: Kind, **more: Any) -> Record:
    """The same of a folder; returns what it says."""
    record = Record(**{"state": "done", "stage": kind, "outputs": DONE[kind], **more})
    record.seal(folder)
    write(folder, record)
    return record
