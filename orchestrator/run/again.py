"""What is done is looked at before a run: what was damaged since is done again, and errors are, if the user asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.plan.plan import Job, Plan
from orchestrator.plan.record import damaged, reopen, state_in
from orchestrator.run import journals


def reopen_damaged(plans: Sequence[Plan], say: Callable[[str], None]) -> None:
    """Have stages done again whose files are not what they wrote, where something that is to run reads them."""
    for job in (job for plan in plans for job in plan.jobs):
        todo = job.todo()
        for stage in job.stages:
            if stage in todo or not any(stage in other.needs for other in todo):
                continue
            if names := damaged(stage.folder, state_in(stage.folder)):
                say(f"{stage.name} is mended: not as it left them: {', '.join(names)} in {stage.folder}")
                reopen(stage.folder)


def retry_errors(plans: Sequence[Plan], say: Callable[[str], None]) -> None:
    """Have the requests asked again that ended in an error; the other answers are kept."""
    for job in (job for plan in plans for job in plan.jobs):
        if count := _without_errors(job):
            say(f"{job.name}: {count:,} requests that ended in an error are asked again")


def _without_errors(job: Job) -> int:
    total = 0
    for stage in job.stages:
        if stage.kind not in ("select", "infer"):
            continue
        # answers on dev, which a selection counts, lie in a folder for each checkpoint
        folders = [stage.folder] if stage.kind == "infer" else sorted(stage.folder.glob("checkpoint-*"))
        if count := sum(journals.drop_errors(folder) for folder in folders):
            reopen(stage.folder)
            total += count
    return total
