"""What is written about a stage while it runs: its ``stage.json``, one entry more for each attempt."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from orchestrator.errors import Interrupted, OrchestratorError, StageError, remedy
from orchestrator.machine.checkout import git_commit
from orchestrator.machine.files import write_json
from orchestrator.machine.logs import LOG
from orchestrator.plan.commands import describe
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import STATE, seal, state_in
from orchestrator.run.stages.context import Context, MixedInputs

# stages whose outputs toolkits write, which do not flush them
WRITTEN_BY_TOOLKITS = ("init", "train", "merge")
# stages that the same inputs may give other outputs, so that each time has an id of its own
MARKED = ("train", "infer")


@contextlib.contextmanager
def attempt(context: Context, stage: Stage) -> Iterator[dict[str, Any]]:
    """Keep ``stage.json`` while a stage's work is done in this context; the work sets ``outputs`` of what is yielded.

    Raises:
        StageError: the work failed, or the disk is full.
        Interrupted: the user stopped it.
    """
    file = stage.folder / STATE
    with disk_errors():
        attempts = [_closed(earlier, stage) for earlier in state_in(stage.folder).get("attempts", [])]
        attempts.append({"started_at": _now(), "seconds": None})
        state = _begun(context, stage) | {"attempts": attempts}
        write_json(file, state)
    started = time.monotonic()
    outcome = "failed"
    try:
        with disk_errors():
            yield state
        if stage.kind in WRITTEN_BY_TOOLKITS:
            os.sync()  # after a power cut "done" must still be true
        with disk_errors():
            state["files"] = seal(stage.folder, stage.kind)
        if stage.kind in MARKED:
            state["id"] = uuid.uuid4().hex[:12]
        outcome = "done"
        if state["argv"]:
            state["exit_code"] = 0
    except Interrupted:
        outcome = "interrupted"
        raise
    except OrchestratorError as error:
        state |= {"error": str(error), "exit_code": getattr(error, "exit_status", None)}
        state["mixed"] = isinstance(error, MixedInputs)
        raise
    finally:
        attempts[-1]["seconds"] = round(time.monotonic() - started, 3)
        seconds = round(sum(one["seconds"] for one in attempts), 3)
        state |= {"state": outcome, "seconds": seconds, "ended_at": _now()}
        # where the disk is full, why the stage failed says so already
        with disk_errors() if outcome == "done" else contextlib.suppress(OSError):
            write_json(file, state)


def _begun(context: Context, stage: Stage) -> dict[str, Any]:
    recipe, environment = context.recipe, context.plan.part(stage.kind).environment
    return {
        "state": "running",
        "stage": stage.kind,
        "job": stage.job,
        "key": stage.key,
        **describe(context.plan, stage, context.device),
        "inputs": stage.inputs,
        "made_from": stage.lineage(),
        "device": context.device,
        "processes": recipe.resources.processes,
        "toolkit": environment.name,
        "model": {"path": recipe.model.path, "revision": recipe.model.revision},
        "host": socket.gethostname(),
        "git_commit": git_commit(),
        "toolkit_lock": environment.lock_digest,
    }


def _closed(attempt: dict[str, Any], stage: Stage) -> dict[str, Any]:
    """An earlier attempt with its duration: one that was killed lasted until the last line of its log."""
    if attempt["seconds"] is None:
        log = stage.folder / LOG
        end = log.stat().st_mtime if log.exists() else 0.0
        start = datetime.fromisoformat(attempt["started_at"]).timestamp()
        attempt = {**attempt, "seconds": round(max(0.0, end - start), 3)}
    return attempt


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the disk refuses into a failure of the stage that says what to do.

    Raises:
        StageError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what += (
                "\n    what to do: the disk is full; free some space or give another folder with --runs-dir, "
                "then run the same command again"
            )
        elif advice := remedy(error.errno):
            what += f"\n    what to do: {advice} (--runs-dir), then run the same command again"
        elif error.errno == errno.ENOENT:
            what += "\n    what to do: it was there when the run began; put it back, then run the same command again"
        raise StageError(what) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
