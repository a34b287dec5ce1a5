"""Answers to the inference split."""

from __future__ import annotations

from orchestrator.plan import commands
from orchestrator.plan.outputs import InferOutputs
from orchestrator.plan.plan import Stage
from orchestrator.prompts.examples import samples_of
from orchestrator.run.stages.answering import answer
from orchestrator.run.stages.context import Context
from orchestrator.scores.signature import prompt_label


def infer(context: Context, stage: Stage) -> InferOutputs:
    """Answer the requests of the recipe's inference split."""
    checkpoint = commands.chosen_checkpoint(stage)
    split, bad = context.recipe.inference.split, context.plan.bad_videos
    found = {task.name: len(bad.bad_ids(samples_of(context.recipe, task, split))) for task in context.job.tasks}
    # before it is seen that nothing was edited: the template may be another one when results are written
    prompts = {task.name: prompt_label(context.recipe, task) for task in context.job.tasks}
    counts = answer(context, stage, stage.folder, checkpoint, split)
    name = checkpoint.name if checkpoint else None
    counted = counts._asdict()
    if not counts.too_long:
        del counted["too_long"]
    known = {field: value for field, value in counted.items() if value is not None}
    return InferOutputs(**known, bad_videos=found, prompts=prompts, checkpoint=name)
