"""``run --on slurm``: prepares what jobs need, hands them to Slurm, and notes which they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.launch.slurm import client
from orchestrator.launch.slurm.batches import work_of
from orchestrator.launch.slurm.script import Batch, script_of
from orchestrator.launch.slurm.submitted import Submitted, read_submitted, submitting, write_submitted
from orchestrator.machine.files import atomic_write, digest
from orchestrator.plan.devices import loads_model
from orchestrator.plan.pins import pin
from orchestrator.plan.plan import Plan
from orchestrator.run.again import look_again
from orchestrator.run.fetch import fetch_weights
from orchestrator.run.prepare import build_environments, check, keep_recipes, unpack_videos
from orchestrator.run.record import disk_errors
from orchestrator.run.report import results_name
from orchestrator.run.submission import Standing, Wanted, problems_of_others, standing
from orchestrator.toolkits.base import Say


@dataclass(frozen=True)
class Handed:
    """A batch that Slurm has taken: its number, and how it stood with the recipe's jobs before."""

    batch: Batch
    number: str


def submit_recipes(wanted: Wanted, say: Say, *, errors_again: bool = False) -> list[tuple[Standing, list[Handed]]]:
    """Submit what is not done, and neither waits nor runs.

    Args:
        wanted: what the command wants.
        say: told what a user should know.
        errors_again: ask the requests again that ended in an error.

    Returns:
        Of each recipe how its jobs stood, and what was submitted.

    Raises:
        InputError: something is wrong with the input, or Slurm refuses; what it took before is noted.
        OrchestratorError: an environment cannot be built, or weights cannot be fetched.
    """
    client.need()
    recipes = wanted.recipes()
    unpack_videos([one for one in recipes if "videos" in one.slurm.prepare], wanted.only)
    plans = wanted.plans(recipes)
    found = [standing(plan, shown, ask=True) for plan, shown in plans]
    _refuse_others(found)
    with disk_errors():
        look_again([_free(one) for one in found], say, errors=errors_again)
    # what was looked at again may have something to do again
    found = [standing(plan, shown, ask=True) for plan, shown in plans]
    _prepare([one for one in found if one.left], wanted, say)
    most = client.most_of_array() if any(one.left for one in found) else 0
    return [_submit(one, wanted, most) if one.left else (one, []) for one in found]


def _refuse_others(found: Sequence[Standing]) -> None:
    if problems := [problem for one in found for problem in problems_of_others(one)]:
        raise InputError(problems)


def _free(one: Standing) -> Plan:
    """The plan of the jobs that nobody works on."""
    busy = {*one.queued, *one.owned}
    return replace(one.plan, jobs=tuple(job for job in one.plan.jobs if job.name not in busy))


def _prepare(found: Sequence[Standing], wanted: Wanted, say: Say) -> None:
    """Do on this machine what jobs would have to do, and see that all is right."""
    if not found:
        return
    plans = [replace(one.plan, jobs=tuple(one.left)) for one in found]
    check(plans, wanted.command.results_dir, say, _elsewhere)
    build_environments([plan for plan in plans if "environments" in plan.recipe.slurm.prepare], say)
    keep_recipes([one.shown for one in found], wanted.files, say)
    loading = [plan for plan in plans if "weights" in plan.recipe.slurm.prepare and loads_model(plan)]
    fetch_weights([pin(plan, say) for plan in loading], say)


def _elsewhere(plan: Plan) -> Collection[str]:
    """What is not looked at here: the GPUs are the nodes', and what is left to the job is not here yet."""
    return ["machine", *(what for what in ("videos", "weights") if what not in plan.recipe.slurm.prepare)]


def _submit(before: Standing, wanted: Wanted, most: int) -> tuple[Standing, list[Handed]]:
    """Submit what is left of a plan, if nobody else did meanwhile; with how it stood then."""
    handed = []
    with disk_errors(), submitting(before.plan.folder):
        now = standing(before.plan, before.shown, ask=True)
        _refuse_others([now])
        if now.left:
            atomic_write(now.recipe.file, now.recipe.text)
        for batch in now.batches(wanted.command, most) if now.left else ():
            text = script_of(batch)
            script = batch.folder / f"{digest(text)[:8]}.sh"
            number = _taken(script, before.plan)
            atomic_write(script, text)
            number = number or client.submit(script)
            when = datetime.now(UTC).isoformat(timespec="seconds")
            work = {job.name: work_of(job) for job in now.left}
            results = str(wanted.command.results_dir / f"{results_name(now.plan)}.csv")
            entries = {
                job: Submitted(
                    batch.id_of(job, number), when, str(script), str(batch.log_of(job, number)), work[job], results
                )
                for job in batch.jobs
            }
            write_submitted(before.plan.folder, entries)
            handed.append(Handed(batch, number))
    return now, handed


def _taken(script: Path, plan: Plan) -> str:
    """Slurm's number of what was submitted with a script by somebody who was stopped before that was noted."""
    noted = {entry.script for entry in read_submitted(plan.folder).values()}
    return client.taken(script) if script.exists() and str(script) not in noted else ""
