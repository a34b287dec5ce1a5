"""Which stage runs when. One after another for now."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from orchestrator.errors import InputError, Interrupted, OrchestratorError, StageError
from orchestrator.launch.local import Launcher
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.record import STATE, Record, damaged, read
from orchestrator.run.again import set_aside_edited
from orchestrator.run.listener import Listener
from orchestrator.run.record import attempt, disk_errors
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.work import WORK
from orchestrator.toolkits.base import Progress


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
                        context = _context(plan, job, stage, launcher, device, listener)
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


def _context(plan: Plan, job: Job, stage: Stage, launcher: Launcher, device: str, listener: Listener) -> Context:
    def report(progress: Progress) -> None:
        listener.progress(stage, progress)
        listener.tick()

    return Context(plan, job, launcher, device, report, partial(listener.remark, stage))


def _run_stage(context: Context, stage: Stage, listener: Listener) -> None:
    before = read(stage.folder)
    if before and before.state == "running":
        context.launcher.end_leftovers(stage.folder, context.recipe.resources.stop_grace_seconds)
    listener.begin(stage, "")
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
    why = ""
    if before and before.mixed:
        why = "what it read was changed while it ran"
    elif before and (before.stage, before.key) != (stage.kind, stage.key):
        why = f"what is there says that it is {before.job}/{before.stage}-{before.key}"
    elif stage.kind == "score":
        pass  # computed anew whatever is there, which says which run's scores these replace
    elif not stage.fits(before) and stage.folder.exists():
        # also where its stage.json was lost: nothing says whose answers lie there
        why = "what is there came from another training, or from other answers"
    if not why:
        for left in stage.folder.glob(".*.tmp"):  # half a file of a run that was killed
            left.unlink()
        if before and before.state == "done" and (names := damaged(stage.folder, before)):
            listener.remark(
                stage, f"is mended: {', '.join(names)} not as it left {'it' if len(names) == 1 else 'them'}"
            )
        if before and stage.kind == "infer":
            set_aside_edited(stage.folder, before, partial(listener.remark, stage))
        return before
    listener.remark(stage, f"begins anew: {why}")
    _remove(stage.folder)
    return None


def _remove(folder: Path) -> None:
    """Remove a stage's folder. What says that it is worth nothing goes last: a kill may come at any moment."""
    for path in folder.iterdir():
        if path.name != STATE:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(folder)


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
