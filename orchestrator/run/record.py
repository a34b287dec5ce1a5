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

from orchestrator.errors import Interrupted, OrchestratorError, StageError, remedy
from orchestrator.machine.checkout import git_commit
from orchestrator.machine.logs import LOG
from orchestrator.plan.commands import describe
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import Attempt, Record, State, Weights, read, write
from orchestrator.run.stages.context import Context, MixedInputs

# stages whose outputs toolkits write, which do not flush them
WRITTEN_BY_TOOLKITS = ("init", "train", "merge")
# stages that the same inputs may give other outputs, so that each time has an id of its own
MARKED = ("train", "infer")


@contextlib.contextmanager
def attempt(context: Context, stage: Stage) -> Iterator[Record]:
    """Keep ``stage.json`` while a stage's work is done in this context; the work sets ``outputs`` of what is yielded.

    Raises:
        StageError: the work failed, or the disk is full.
        Interrupted: the user stopped it.
    """
    with disk_errors():
        before = read(stage.folder)
        record = _begun(context, stage)
        record.attempts = [_closed(earlier, stage) for earlier in before.attempts] if before else []
        now = Attempt(started_at=_now(), seconds=None)
        record.attempts.append(now)
        write(stage.folder, record)
    started = time.monotonic()
    outcome: State = "failed"
    try:
        with disk_errors():
            yield record
        if stage.kind in WRITTEN_BY_TOOLKITS:
            os.sync()  # after a power cut "done" must still be true
        if not context.ours():
            raise StageError(taken_over(stage))
        with disk_errors():
            record.seal(stage.folder)
        if stage.kind in MARKED:
            record.id = uuid.uuid4().hex[:12]
        outcome = "done"
        if record.argv:
            record.exit_code = 0
    except Interrupted:
        outcome = "interrupted"
        raise
    except OrchestratorError as error:
        record.error, record.exit_code = str(error), getattr(error, "exit_status", None)
        record.mixed = isinstance(error, MixedInputs)
        raise
    finally:
        now.seconds = round(time.monotonic() - started, 3)
        record.seconds = round(sum(one.seconds or 0 for one in record.attempts), 3)
        record.state, record.ended_at = outcome, _now()
        # where the disk is full, why the stage failed says so already
        with disk_errors() if outcome == "done" else contextlib.suppress(OSError):
            if context.ours():  # whoever took it over writes there by now
                write(stage.folder, record)


def taken_over(stage: Stage) -> str:
    """What is said of a stage whose job another process works on since this one was halted for minutes."""
    return f"another process took over {stage.job}: this one seemed to be dead"


def _begun(context: Context, stage: Stage) -> Record:
    recipe, environment = context.recipe, context.plan.part(stage.kind).environment
    argv, env = describe(context.plan, stage, context.device)
    return Record(
        state="running",
        stage=stage.kind,
        job=stage.job,
        key=stage.key,
        argv=argv,
        env=env,
        inputs=dict(stage.inputs),
        made_from=stage.lineage(),
        device=context.device,
        processes=recipe.resources.processes,
        toolkit=environment.name,
        model=Weights(path=recipe.model.path, revision=recipe.model.revision),
        host=socket.gethostname(),
        git_commit=git_commit(),
        toolkit_lock=environment.lock_digest,
    )


def _closed(attempt: Attempt, stage: Stage) -> Attempt:
    """An earlier attempt with its duration: one that was killed lasted until the last line of its log."""
    if attempt.seconds is not None:
        return attempt
    log = stage.folder / LOG
    end = log.stat().st_mtime if log.exists() else 0.0
    start = datetime.fromisoformat(attempt.started_at).timestamp()
    return attempt.model_copy(update={"seconds": round(max(0.0, end - start), 3)})


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
