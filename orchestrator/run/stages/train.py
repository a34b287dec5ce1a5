"""Training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.data.samples import split_file
from orchestrator.errors import StageError
from orchestrator.machine.files import write_json
from orchestrator.machine.logs import LOG
from orchestrator.plan import commands
from orchestrator.plan.plan import TRAIN_SPLITS, Stage
from orchestrator.plan.record import STATE, outputs_in, seal, state_in
from orchestrator.prompts.examples import samples_of
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.convert import convert, video_folder
from orchestrator.toolkits.base import Trainer


def train(context: Context, stage: Stage) -> dict[str, Any]:
    """Train; goes on from the newest complete checkpoint, and believes no exit status without the outputs.

    Raises:
        StageError: the process failed, or ended well without the outputs; or what it reads is not what was planned.
    """
    trainer = context.plan.trainer
    converted = stage.input("convert")
    context.need_intact(converted)
    outputs = outputs_in(converted.folder)
    rows = outputs["rows"]["train"]
    log = stage.folder / LOG
    if log.exists() and not trainer.train_problems(stage.folder, log.read_text("utf-8", "replace"), rows):
        # it was stopped between its last step and its exit
        return {"steps": _steps(trainer, stage.folder), "resumed_from": "its last step"}
    if outputs.get("videos") != video_folder(context.recipe):
        # the data moved since it was converted: its files name the videos where they were
        outputs = convert(context, converted)
        state = state_in(converted.folder) | {"outputs": outputs, "files": seal(converted.folder, "convert")}
        write_json(converted.folder / STATE, state)
    videos = list(_videos(context))
    context.need_unchanged(converted)
    context.need_unchanged(stage)
    resume = trainer.resumable(stage.folder, context.say)
    if resume or log.exists():
        again = "begins again: it has no checkpoint to go on from"
        context.say(f"goes on from {Path(resume).name}" if resume else again)
    command = commands.train_command(context.plan, stage, context.device, resume)
    before = log.stat().st_size if log.exists() else 0
    with context.same_videos(videos):
        gpus = context.recipe.resources.processes
        context.launch(trainer, [command], stage.folder, lambda: trainer.train_progress(stage.folder), gpus)
    with log.open("rb") as file:
        file.seek(before)
        problems = trainer.train_problems(stage.folder, file.read().decode("utf-8", "replace"), rows)
    if problems:
        what = "\n".join(f"    - {problem}" for problem in problems)
        raise StageError(f"training ended with status 0, but:\n{what}\n    whole log: {log}")
    return {"steps": _steps(trainer, stage.folder), "resumed_from": resume}


def _videos(context: Context) -> Iterator[str | None]:
    """The clips that a training reads."""
    recipe = context.recipe
    for task in context.job.tasks if recipe.modality == "video" else ():
        for split in TRAIN_SPLITS:
            if split_file(task, split, Path(recipe.data.root)):
                yield from (sample.video for sample in samples_of(recipe, task, split))


def _steps(trainer: Trainer, folder: Path) -> int:
    progress = trainer.train_progress(folder)
    return progress.done if progress else trainer.checkpoints(folder)[-1].step
