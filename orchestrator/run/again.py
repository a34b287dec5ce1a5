"""What is done is looked at before a run: what was damaged since is done again, and errors are, if the user asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import InputError, Problem
from orchestrator.machine.files import read_jsonl
from orchestrator.machine.leases import Owner, owner_of, take
from orchestrator.plan.commands import PREDICTIONS, REQUESTS
from orchestrator.plan.outputs import InferOutputs
from orchestrator.plan.plan import Job, Plan
from orchestrator.plan.record import Record, damaged, read, reopen
from orchestrator.run import journals
from orchestrator.run.killed import end_left
from orchestrator.toolkits.base import Say


def look_again(plans: Sequence[Plan], say: Say, *, errors: bool) -> None:
    """Look at what earlier runs left of jobs, each under its lock, before anything else is done.

    Args:
        plans: what is to run.
        say: told what was found.
        errors: also have the requests asked again that ended in an error.

    Raises:
        InputError: other processes work on all that there is to do.
    """
    owners: dict[str, Owner] = {}
    todo = 0
    for plan, job in ((one, job) for one in plans for job in one.jobs):
        done = job.done
        todo += errors or not done
        folder = plan.folder / job.name
        if not folder.is_dir() or (done and not errors):
            continue
        taken = owner_of(folder) or take(folder)
        if isinstance(taken, Owner):
            owners[str(folder)] = taken
            continue
        try:
            if taken.unclean:
                end_left(folder, job.recipe, say)
            if errors:
                _retry_errors(job, say)
            _reopen_damaged(job, say)
        finally:
            taken.release()
    if owners and len(owners) >= todo:
        hint = "wait for it, stop it, or give this one its own folder with --runs-dir"
        raise InputError([Problem(f"{owner} works on this job", where, hint) for where, owner in owners.items()])


def _reopen_damaged(job: Job, say: Say) -> None:
    """Have stages done again whose files are not what they wrote, where something that is to run reads them."""
    todo = job.todo()
    for stage in dict.fromkeys(stage for other in todo for stage in other.needs if stage not in todo):
        if names := damaged(stage.folder, read(stage.folder)):
            say(f"{stage.name} is mended: not as it left them: {', '.join(names)} in {stage.folder}")
            reopen(stage.folder)


def set_aside_edited(folder: Path, before: Record, say: Say) -> None:
    """Move answers aside that are all there, but not as their inference, whose record is given, left them.

    Which of them were edited cannot be told. Where lines were lost or damaged, the others are taken for what they were.
    """
    names = damaged(folder, before)
    if PREDICTIONS not in names:
        return
    asked = None if REQUESTS in names else {request["id"] for request in read_jsonl(folder / REQUESTS)}
    there = journals.join(folder, asked, say)  # which mends answers that are there twice
    outputs = before.outputs_as(InferOutputs)
    if there >= (outputs.requests if outputs else 0) and PREDICTIONS in damaged(folder, before):
        aside = (folder / PREDICTIONS).rename(folder / f"{PREDICTIONS}.edited")
        say(f"all is asked again: its answers were edited, and are now in {aside}")


def _retry_errors(job: Job, say: Say) -> None:
    """Have the requests asked again that ended in an error; the other answers are kept."""
    if count := _without_errors(job, say):
        say(f"{job.name}: what ended in an error is asked again: {count:,} request{'s' if count > 1 else ''}")


def _without_errors(job: Job, say: Say) -> int:
    total = 0
    for stage in job.stages:
        if stage.kind not in ("select", "infer"):
            continue
        # answers on dev, which a selection counts, lie in a folder for each checkpoint
        folders = [stage.folder] if stage.kind == "infer" else sorted(stage.folder.glob("checkpoint-*"))
        trained = stage.need("train")
        if stage.done and trained and not trained.done:
            # another training would cost the good answers, too
            if any("error" in one for folder in folders for one in journals.predictions_in(folder).values()):
                say(f"{stage.name}: its errors are not asked again, as the training is gone; to train and ask all "
                    f"anew: rm -r {stage.folder}, and run the same command again")  # fmt: skip
            continue
        if count := sum(journals.drop_errors(folder) for folder in folders):
            reopen(stage.folder)
            total += count
    return total
