"""Which stage runs when, and what is written about it. One after another for now."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.cli.view import View
from orchestrator.errors import Interrupted, OrchestratorError, StageError
from orchestrator.launch.local import Launcher
from orchestrator.machine.checkout import git_commit
from orchestrator.machine.files import read_json, write_json
from orchestrator.machine.logs import LOG
from orchestrator.plan.commands import describe
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.run.stages import WORK, Context


def run_plans(plans: Sequence[Plan], device: str, view: View) -> list[tuple[Stage, OrchestratorError]]:
    """Run what is not done of some plans; a job that fails does not stop the others.

    Returns:
        The stages that failed, with why.

    Raises:
        Interrupted: the user stopped the run; nothing is left running.
    """
    failed: list[tuple[Stage, OrchestratorError]] = []
    view.start(plans)
    with Launcher() as launcher:
        for plan in plans:
            for job in plan.jobs:
                todo = job.todo()
                for stage in job.stages:
                    if stage not in todo:
                        view.skipped()
                        continue
                    try:
                        _run_stage(Context(plan, job, launcher, device, view.progress), job, stage, view)
                    except Interrupted:
                        view.stopped(stage)
                        raise
                    except OrchestratorError as error:
                        view.failed(stage, error)
                        failed.append((stage, error))
                        break
    return failed


def _run_stage(context: Context, job: Job, stage: Stage, view: View) -> None:
    file = stage.folder / "stage.json"
    try:
        stage.folder.mkdir(parents=True, exist_ok=True)
        before = read_json(file) or {}
        attempts = [_closed(attempt, stage) for attempt in before.get("attempts", [])]
        if before.get("state") == "running":
            context.launcher.end_leftovers(stage.folder)
        _refuse_other_world(context, stage, before)
        view.begin(stage, resumed=bool(attempts))
        attempts.append({"started_at": _now(), "seconds": None})
        state: dict[str, Any] = {
            "state": "running",
            "stage": stage.kind,
            "job": job.name,
            "key": stage.key,
            **describe(context.plan, stage, context.device),
            "inputs": stage.inputs,
            "device": context.device,
            "processes": context.recipe.resources.processes,
            "toolkit": context.plan.toolkit.name,
            "model": {"path": context.recipe.model.path, "revision": context.recipe.model.revision},
            "host": socket.gethostname(),
            "git_commit": git_commit(),
            "toolkit_lock": context.plan.toolkit.environment.lock_digest,
            "attempts": attempts,
        }
        write_json(file, state)
    except OSError as error:
        raise _disk_error(error) from error
    started = time.monotonic()
    outcome = "failed"
    try:
        state["outputs"] = WORK[stage.kind](context, stage)
        if stage.kind in ("init", "train", "merge"):
            os.sync()  # a toolkit does not flush its weights: after a power cut "done" must still be true
        outcome = "done"
        if state["argv"]:
            state["exit_code"] = 0
    except Interrupted:
        outcome = "interrupted"
        raise
    except OSError as error:
        raise _disk_error(error) from error
    except OrchestratorError as error:
        state |= {"error": str(error), "exit_code": getattr(error, "exit_status", None)}
        raise
    finally:
        attempts[-1]["seconds"] = round(time.monotonic() - started, 3)
        state |= {
            "state": outcome,
            "seconds": round(sum(a["seconds"] for a in attempts), 3),
            "ended_at": _now(),
        }
        try:
            write_json(file, state)
        except OSError as error:
            if outcome == "done":
                raise _disk_error(error) from error
    view.end(stage, attempts[-1]["seconds"], state["outputs"])


def _refuse_other_world(context: Context, stage: Stage, before: dict[str, Any]) -> None:
    """DeepSpeed cannot read the checkpoints of another number of processes; say so before it does."""
    train, count = context.recipe.train, before.get("processes")
    if stage.kind != "train" or train is None or not train.deepspeed or count is None:
        return
    if count != context.recipe.resources.processes and context.plan.toolkit.resumable(stage.folder):
        raise StageError(
            f"it was begun with {count} processes, and DeepSpeed goes on with as many only\n"
            f"    set resources.processes={count}, or begin anew: rm -r {stage.folder}"
        )


def _closed(attempt: dict[str, Any], stage: Stage) -> dict[str, Any]:
    """An earlier attempt with its duration: one that was killed lasted until the last line of its log."""
    if attempt["seconds"] is None:
        log = stage.folder / LOG
        end = log.stat().st_mtime if log.exists() else 0.0
        start = datetime.fromisoformat(attempt["started_at"]).timestamp()
        attempt = {**attempt, "seconds": round(max(0.0, end - start), 3)}
    return attempt


def _disk_error(error: OSError) -> OrchestratorError:
    what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what += (
            "\n    what to do: the disk is full; free some space or give another folder with --runs-dir, "
            "then run the same command again"
        )
    return StageError(what)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
