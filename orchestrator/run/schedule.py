"""Which stage runs when. One after another for now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrator.errors import InputError, Interrupted, OrchestratorError, StageError
from orchestrator.launch.local import Launcher
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.record import Record, damaged, read
from orchestrator.run.again import set_aside_edited
from orchestrator.run.listener import Listener
from orchestrator.run.record import attempt, disk_errors
from orchestrator.run.remove import remove, useless
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.work import WORK


def run_plans(
    plans: Sequence[Plan], device: str, listener: Listener, scored: Callable[[Plan, Job], None]
) -> list[tuple[Stage, OrchestratorError]]:
    """Run what is not done of some plans; a job that fails does not stop the others.

    Args:
        plans: the plans.
        device: ``cpu`` or ``cuda``.
        listener: told how it goes.
        scored: called when the answers of a job are scored.

    Returns:
        The stages that failed, with why.

    Raises:
        Interrupted: the user stopped the run; nothing is left running.
    """
    failed: list[tuple[Stage, OrchestratorError]] = []
    listener.start(plans)
    with Launcher(listener.line) as launcher:
        for plan in plans:
            for job in plan.jobs:
                todo = job.todo()
                for stage in job.stages:
                    if stage not in todo:
                        listener.skipped()
                        continue
                    try:
                        context = Context(plan, job, launcher, device, listener.progress, listener.remark)
                        _run_stage(context, stage, listener)
                        if stage.kind == "score":
                            scored(plan, job)
                    except Interrupted:
                        listener.stopped(stage)
                        raise
                    except OrchestratorError as error:
                        listener.failed(stage, error)
                        failed.append((stage, error))
                        break
    return failed


def _run_stage(context: Context, stage: Stage, listener: Listener) -> None:
    before = read(stage.folder)
    if before and before.state == "running":
        context.launcher.end_leftovers(stage.folder, context.recipe.resources.stop_grace_seconds)
    listener.begin(stage)
    with disk_errors():
        before = _useful(stage, before, listener)
        _refuse_other_world(context, stage, before)
    with attempt(context, stage) as record:
        context = replace(context, attempt=record.attempts[-1])
        try:
            record.outputs = outputs = WORK[stage.kind](context, stage)
        except InputError:
            context.need_unchanged(stage)  # it was sound when the run began
            raise
    listener.end(stage, record.attempts[-1].seconds or 0.0, outputs)


def _useful(stage: Stage, before: Record | None, listener: Listener) -> Record | None:
    """What an earlier run left of a stage, as its ``stage.json`` tells; removed if no use can be made of it."""
    why = useless(stage, before)
    if not why:
        for left in stage.folder.glob(".*.tmp"):  # half a file of a run that was killed
            left.unlink()
        if before and before.state == "done" and (names := damaged(stage.folder, before)):
            listener.remark(f"is mended: {', '.join(names)} not as it left {'it' if len(names) == 1 else 'them'}")
        if before and stage.kind == "infer":
            set_aside_edited(stage.folder, before, listener.remark)
        return before
    listener.remark(f"begins anew: {why}")
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
