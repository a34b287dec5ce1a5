"""Choosing the checkpoint."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from orchestrator.errors import StageError
from orchestrator.plan.outputs import SelectOutputs
from orchestrator.plan.plan import Stage
from orchestrator.run.stages.answering import accuracy_on, answer
from orchestrator.run.stages.context import Context

# what the numbers that are compared measure: the toolkit's evaluation counts tokens of the true answer that it would
# have written, which is no accuracy of answers
MEASURES = {
    "best_eval": "of the tokens right on dev",
    "dev_accuracy": "of the answers right on dev",
    "last": "",
}


def select(context: Context, stage: Stage) -> SelectOutputs:
    """Pick the checkpoint: the first best by the toolkit's own evaluation, the last, or by real answers on dev.

    Raises:
        StageError: there is no checkpoint, or nothing to choose by.
    """
    trained = stage.input("train")
    trainer, strategy = context.plan.trainer, context.recipe.select.strategy
    checkpoints = list(trainer.checkpoints(trained.folder))
    damaged = trainer.damaged(trained.folder)
    mend = f"    put it back from a copy, or train again: rm -r {trained.folder}, and run the same command again"
    if not checkpoints:
        why = "".join(f"\n    - checkpoint-{at}: {what}" for at, what in damaged.items())
        raise StageError(f"no whole checkpoint in {trained.folder}; it was there when training ended{why}\n{mend}")
    accuracy: dict[int, float] = {}
    if strategy == "best_eval":
        accuracy = {step: 100 * value for step, value in trainer.evaluations(trained.folder)}
        if not accuracy:
            raise StageError(
                f"the training in {trained.folder} never evaluated: is it shorter than train.save_steps?\n"
                "    lower train.save_steps, or choose select.strategy: last"
            )
        if broken := [step for step, value in accuracy.items() if not math.isfinite(value)]:
            what = f"the accuracy on dev of step {', '.join(map(str, broken))} is no number"
            accuracy = {step: value for step, value in accuracy.items() if step not in broken}
            if not accuracy:
                hint = "see its log, or choose select.strategy: last or dev_accuracy"
                raise StageError(f"{what}, in {trained.folder}\n    {hint}")
            context.say(f"{what}: not compared")
        step = _first_best(context, accuracy, MEASURES[strategy])
    elif strategy == "dev_accuracy":
        if damaged:
            at, what = max(damaged.items())
            raise StageError(f"checkpoint-{at} cannot be compared, it is damaged: {what}\n{mend}")
        errors = 0
        for checkpoint in checkpoints:
            folder = stage.folder / checkpoint.path.name
            errors += answer(context, stage, folder, checkpoint.path, "dev").errors
            accuracy[checkpoint.step] = accuracy_on(context, folder, "dev")
        context.need_unchanged(stage)
        if errors:
            context.say(f"{errors:,} answers on dev are errors and count as wrong; run --retry-errors asks these again")
        step = _first_best(context, accuracy, MEASURES[strategy])
    else:
        step = max([checkpoints[-1].step, *damaged])
    if step in damaged:
        raise StageError(f"checkpoint-{step} would be chosen, but it is damaged: {damaged[step]}\n{mend}")
    chosen = next((checkpoint for checkpoint in checkpoints if checkpoint.step == step), None)
    if chosen is None:
        raise StageError(
            f"step {step} is the best ({accuracy[step]:.2f} %), but its checkpoint was not kept in {trained.folder}\n"
            "    raise train.keep_checkpoints, or choose select.strategy: last"
        )
    return SelectOutputs(
        strategy=strategy,
        checkpoint=chosen.path.name,
        step=step,
        measure=MEASURES[strategy],
        accuracy_percent={at: round(value, 4) for at, value in accuracy.items()},
        path=os.path.relpath(chosen.path, stage.folder),
    )


def _first_best(context: Context, accuracy: Mapping[int, float], measure: str) -> int:
    """The earliest of the best steps; a tie is told."""
    best = max(accuracy.values())
    steps = sorted(step for step, value in accuracy.items() if value == best)
    if len(steps) > 1:
        tied = ", ".join(map(str, steps))
        context.say(f"a tie: steps {tied} have {best:.2f} % {measure}; the earliest is taken")
    return steps[0]
