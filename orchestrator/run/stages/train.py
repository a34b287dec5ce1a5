"""Training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.data.samples import split_file
from orchestrator.errors import StageError
from orchestrator.machine.logs import LOG, since
from orchestrator.plan import commands
from orchestrator.plan.outputs import ConvertOutputs, TrainOutputs
from orchestrator.plan.plan import TRAIN_SPLITS, Stage
from orchestrator.plan.record import read, write
from orchestrator.prompts.examples import samples_of
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.convert import convert, video_folder
from orchestrator.run.stages.lengths import keep_the_rest, training_too_long
from orchestrator.toolkits.base import Trainer


def train(context: Context, stage: Stage) -> TrainOutputs:
    """Train; goes on from the newest complete checkpoint, and believes no exit status without the outputs.

    Raises:
        StageError: the process failed, or ended well without the outputs; or what it reads is not what was planned.
    """
    trainer = context.plan.trainer
    converted = stage.input("convert")
    context.need_intact(converted)
    outputs = converted.outputs(ConvertOutputs)
    if outputs.videos != video_folder(context.recipe):
        # the data moved since it was converted: its files name the videos where they were
        _convert_again(context, converted)
    # what it is not measured on need not fit
    used = [split for split in outputs.rows if split == "train" or context.recipe.select.strategy == "best_eval"]
    too_long = training_too_long(context, stage, converted, used)
    rows = outputs.rows.get("train", 0) - len(too_long.get("train", {}))
    told: dict[str, Any] = {"too_long": too_long} if too_long else {}
    log = stage.folder / LOG
    if log.exists() and not trainer.train_problems(stage.folder, since(log), rows):
        # it was stopped between its last step and its exit
        context.goes_on_from("its last step")
        return TrainOutputs(steps=_steps(trainer, stage.folder), resumed_from="its last step", **told)
    keep_the_rest(context, stage, converted, too_long)
    videos = list(_videos(context))
    context.need_unchanged(converted)
    context.need_unchanged(stage)
    resume = trainer.resumable(stage.folder, context.say)
    context.goes_on_from(resume or "")
    if resume or log.exists():
        again = "begins again: it has no checkpoint to go on from"
        context.say(f"goes on from {Path(resume).name}" if resume else again)
    for text in trainer.reports(context.recipe, stage.folder) if context.recipe.training.report_to else ():
        context.say(text)
    command = commands.train_command(context.plan, stage, context.device, resume)
    before = log.stat().st_size if log.exists() else 0
    with context.same_videos(videos):
        context.launch(trainer, [command], stage.folder, lambda: trainer.train_progress(stage.folder, before))
    if problems := trainer.train_problems(stage.folder, since(log, before), rows):
        what = "\n".join(f"    - {problem}" for problem in problems)
        raise StageError(f"training ended with status 0, but:\n{what}\n    whole log: {log}")
    return TrainOutputs(steps=_steps(trainer, stage.folder), resumed_from=resume, **told)


def _convert_again(context: Context, converted: Stage) -> None:
    outputs = convert(context, converted)
    if record := read(converted.folder):
        record.outputs = outputs
        record.seal(converted.folder)
        write(converted.folder, record)


def _videos(context: Context) -> Iterator[str | None]:
    """The clips that a training reads."""
    recipe = context.recipe
    for task in context.job.tasks if recipe.shows_clips else ():
        for split in TRAIN_SPLITS:
            if split_file(task, split, Path(recipe.data.root)):
                yield from (sample.video for sample in samples_of(recipe, task, split))


def _steps(trainer: Trainer, folder: Path) -> int:
    progress = trainer.train_progress(folder)
    return progress.done if progress else trainer.checkpoints(folder)[-1].step
