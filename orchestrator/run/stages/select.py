"""Choosing the checkpoint."""

from __future__ import annotations

import os
from typing import Any

from orchestrator.errors import StageError
from orchestrator.machine.files import write_json
from orchestrator.plan.commands import SELECTION
from orchestrator.plan.plan import Stage
from orchestrator.run.stages.answering import accuracy_on, answer
from orchestrator.run.stages.context import Context


def select(context: Context, stage: Stage) -> dict[str, Any]:
    """Pick the checkpoint: the first best by the toolkit's own evaluation, the last, or by real answers on dev.

    Raises:
        StageError: there is no checkpoint, or nothing to choose by.
    """
    trained = stage.input("train")
    toolkit, strategy = context.plan.toolkit, context.recipe.select.strategy
    checkpoints = list(toolkit.checkpoints(trained.folder))
    if not checkpoints:
        raise StageError(
            f"no complete checkpoint in {trained.folder}; it was there when training ended\n"
            "    delete that folder and run the same command again"
        )
    accuracy: dict[int, float] = {}
    if strategy == "best_eval":
        accuracy = {step: 100 * value for step, value in toolkit.evaluations(trained.folder)}
        if not accuracy:
            raise StageError(
                f"the training in {trained.folder} never evaluated: is it shorter than train.save_steps?\n"
                "    lower train.save_steps, or choose select.strategy: last"
            )
        step = max(accuracy, key=lambda at: (accuracy[at], -at))
    elif strategy == "dev_accuracy":
        for checkpoint in checkpoints:
            folder = stage.folder / checkpoint.path.name
            answer(context, stage, folder, checkpoint.path, "dev")
            accuracy[checkpoint.step] = accuracy_on(context, folder, "dev")
        step = max(accuracy, key=lambda at: (accuracy[at], -at))
    else:
        step = checkpoints[-1].step
    chosen = next((checkpoint for checkpoint in checkpoints if checkpoint.step == step), None)
    if chosen is None:
        raise StageError(
            f"step {step} is the best ({accuracy[step]:.2f} %), but its checkpoint was not kept in {trained.folder}\n"
            "    raise train.keep_checkpoints, or choose select.strategy: last"
        )
    selection = {
        "strategy": strategy,
        "checkpoint": chosen.path.name,
        "step": step,
        "accuracy_percent": {at: round(value, 4) for at, value in accuracy.items()},
        "path": os.path.relpath(chosen.path, stage.folder),
    }
    write_json(stage.folder / SELECTION, selection)
    return selection
