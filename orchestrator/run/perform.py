"""One attempt at a stage, from what an earlier run left of it to its outputs. Called in a thread of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from orchestrator.errors import InputError, OrchestratorError, StageError
from orchestrator.plan.outputs import Outputs
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import Record, damaged, read, write
from orchestrator.run.again import set_aside_edited
from orchestrator.run.faults import as_failure
from orchestrator.run.record import attempt, disk_errors
from orchestrator.run.remove import remove, useless
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.work import WORK


class Performed(NamedTuple):
    """A stage that is done: how many seconds all its attempts took, and its outputs."""

    seconds: float
    outputs: Outputs


def perform(context: Context, stage: Stage) -> Performed:
    """Do a stage's work, and keep in its folder how it went.

    Raises:
        StageError: it failed, if only by a fault of this program.
        InputError: what it reads is wrong.
        Interrupted: it was asked to stop.
    """
    before = read(stage.folder)
    if before and before.state == "running":
        context.end_leftovers(stage.folder)
    with disk_errors():
        before = _useful(context, stage, before)
        _refuse_other_world(context, stage, before)
    with attempt(context, stage) as record:
        context = replace(context, attempt=record.attempts[-1], keep=lambda: write(stage.folder, record))
        try:
            record.outputs = outputs = WORK[stage.kind](context, stage)
        except InputError:
            context.need_unchanged(stage)  # it was sound when the run began
            raise
        except (OrchestratorError, OSError):
            raise
        except Exception as error:
            raise as_failure(error) from error
    return Performed(record.attempts[-1].seconds or 0.0, outputs)


def _useful(context: Context, stage: Stage, before: Record | None) -> Record | None:
    """What an earlier run left of a stage, as its ``stage.json`` tells; removed if no use can be made of it."""
    why = useless(stage, before)
    if not why:
        for left in stage.folder.glob(".*.tmp"):  # half a file of a run that was killed
            left.unlink()
        if before and before.state == "done" and (names := damaged(stage.folder, before)):
            context.say(f"is mended: {', '.join(names)} not as it left {'it' if len(names) == 1 else 'them'}")
        if before and stage.kind == "infer":
            set_aside_edited(stage.folder, before, context.say)
        return before
    context.say(f"begins anew: {why}")
    remove(stage.folder)
    return None


def _refuse_other_world(context: Context, stage: Stage, before: Record | None) -> None:
    """DeepSpeed cannot read the checkpoints of another number of processes; say so before it does."""
    if before is None or stage.kind != "train" or not context.recipe.training.deepspeed:
        return
    count = before.processes
    if count != context.recipe.resources.processes and context.plan.trainer.resumable(stage.folder, context.say):
        raise StageError(
            f"it was begun with {count} processes, and DeepSpeed goes on with as many only\n"
            f"    set resources.processes={count}, or begin anew: rm -r {stage.folder}"
        )
