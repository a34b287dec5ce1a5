"""``run --on slurm`` and ``plan --on slurm``: what was submitted, and what would be."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli.table import counted, json_text, table, tell, wrapped
from orchestrator.errors import InputError, listed, one_of
from orchestrator.launch.slurm import client
from orchestrator.launch.slurm.script import Batch, script_of
from orchestrator.run import RUNS
from orchestrator.run.submission import Standing, Wanted, standing
from orchestrator.run.submit import Handed, submit_recipes

LOCAL, SLURM = "local", "slurm"
MOST_NAMED = 6
NUMBERS = ("jobs", "done", "queued", "submit", "arrays", "GPUs each", "nodes", "GPUs")


def need(where: str, jobs: int | None = None) -> None:
    """See that Slurm is what is meant; ``jobs``: as ``--jobs`` says.

    Raises:
        InputError: it is not, or options do not fit it.
    """
    if one_of("place to run on", where, (LOCAL, SLURM)) == LOCAL:
        raise InputError("--site and --array-limit are for a cluster", hint="add --on slurm, or leave them out")
    if jobs:
        hint = "--array-limit says how many jobs of a recipe run at once there"
        raise InputError("--jobs is for the stages of one machine", hint=hint)


def submit(wanted: Wanted, *, errors_again: bool) -> None:
    """Submit what is not done, and print what that is and how to follow it.

    Raises:
        InputError: something is wrong with the input, or Slurm refuses.
        OrchestratorError: an environment cannot be built, or weights cannot be fetched.
    """
    results = submit_recipes(wanted, tell, errors_again=errors_again)
    for found, handed in results:
        for one in handed:
            tell(wrapped(_handed(one), f"{one.batch.recipe}: "))
        if several := _several([one.batch for one in handed]):
            tell(wrapped(several, "note: "))
        if rest := _rest(found):
            tell(wrapped(rest, f"{found.plan.recipe.name}: "))
    if not any(handed for _, handed in results):
        tell("nothing to submit")
    if waiting := [found.plan.recipe.name for found, handed in results if handed or found.queued]:
        _print_how(waiting[0] if len(waiting) == 1 else "RUN", wanted.runs_dir)


def _print_how(name: str, runs_dir: Path) -> None:
    """How what was submitted is followed."""
    folder = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
    for command, what in (("status", "how far it is"), ("logs", "what it says"), ("cancel", "ends it")):
        tell(f"{what}: {shlex.join(['python', '-m', 'orchestrator', command, name, *folder])}")


def _handed(one: Handed) -> str:
    batch, own = one.batch, one.batch.settings
    limit = f", at most {own.array_limit} at once" if own.array_limit and len(batch.jobs) > own.array_limit else ""
    each = f"{', each' if len(batch.jobs) > 1 else ''} with {_width(batch)}"
    return f"Slurm job {one.number}: {counted(len(batch.jobs), 'job')}{limit}{each}: {listed(batch.jobs, MOST_NAMED)}"


def _several(batches: Sequence[Batch]) -> str:
    """Where more jobs of a recipe may run at once than it says, that; Slurm counts in each array by itself."""
    own, most = batches[0].settings if batches else None, sum(map(_at_once, batches))
    if not own or not own.array_limit or most <= own.array_limit:
        return ""
    name = batches[0].recipe
    return f"{name}: up to {most} jobs at once, as the limit of {own.array_limit} counts for each of its arrays alone"


def _width(batch: Batch) -> str:
    gpus = counted(batch.gpus, "GPU") if batch.gpus else "no GPU"
    return f"{gpus} on each of {batch.nodes} nodes" if batch.nodes > 1 else gpus


def _rest(found: Standing) -> str:
    """What was not submitted, and why."""
    said = [f"{counted(len(found.done), 'job')} done already"] if found.done else []
    if found.queued:
        jobs = [f"{job} ({number}, {one.state.lower()})" for job, (number, one) in found.queued.items()]
        said.append(f"submitted before: {listed(jobs, MOST_NAMED)}")
    said += [f"{job} is left alone: {owner} works on it" for job, owner in found.owned.items()]
    return "; ".join(said)


def print_submission(wanted: Wanted, *, as_json: bool) -> None:
    """Print what would be submitted: the scripts of a recipe, several recipes as a table.

    Raises:
        InputError: a recipe, its data or the site's file is wrong, or there is no such job.
    """
    ask = client.here()
    found = [standing(plan, shown, ask=ask) for plan, shown in wanted.plans(wanted.recipes())]
    each = [(one, one.batches(wanted.command)) for one in found]
    if as_json:
        tell(json_text([_data(one, batches) for one, batches in each]))
        return
    if len(each) > 1:
        tell(_table(each))
        tell("One recipe alone shows its scripts.")
    else:
        for one, batches in each:
            for batch in batches:
                tell(f"# {batch.recipe}: sbatch --parsable, {counted(len(batch.jobs), 'job')}")
                tell(script_of(batch))
            if rest := _rest(one):
                tell(wrapped(rest, f"{one.plan.recipe.name}: "))
            if not batches:
                tell(f"{one.plan.recipe.name}: nothing to submit")
    if not ask and any(one.left for one in found):
        tell("note: no Slurm on this machine: what waits or runs is not known here")


def _table(each: Sequence[tuple[Standing, Sequence[Batch]]]) -> str:
    rows = [_row(one, batches) for one, batches in each]
    total: dict[str, Any] = {
        name: sum(row[name] for row in rows) for name in NUMBERS if name not in ("GPUs each", "nodes")
    }
    rows.append({name: total.get(name) for name in rows[0]} | {"recipe": "all"})
    head, *lines, last = table(rows, right=NUMBERS).splitlines()
    rule = "-" * max(map(len, (head, *lines, last)))
    text = (
        "submit: jobs that are not done, and neither wait nor run. arrays: calls of sbatch. GPUs: of all these jobs at "
        "once. time: each job's limit, where one is asked for; a job that reaches it goes on in the queue."
    )
    return "\n".join([head, rule, *lines, rule, last, wrapped(text, "")])


def _row(found: Standing, batches: Sequence[Batch]) -> dict[str, Any]:
    def each(numbers: Sequence[int]) -> str:
        return "/".join(map(str, sorted(set(numbers))))

    own = found.plan.recipe.slurm
    return {
        "recipe": found.plan.recipe.name,
        "jobs": len(found.plan.jobs),
        "done": len(found.done),
        "queued": len(found.queued) + len(found.owned),
        "submit": len(found.left),
        "arrays": len(batches),
        "GPUs each": each([batch.gpus * batch.nodes for batch in batches]),
        "nodes": each([batch.nodes for batch in batches]),
        "GPUs": sum(batch.gpus * batch.nodes * _at_once(batch) for batch in batches),
        "time": own.time or "",
        "partition": own.partition or "",
    }


def _at_once(batch: Batch) -> int:
    return min(len(batch.jobs), batch.settings.array_limit or len(batch.jobs))


def _data(found: Standing, batches: Sequence[Batch]) -> dict[str, Any]:
    return {
        "recipe": found.plan.recipe.name,
        "done": list(found.done),
        "queued": {job: {"id": number, "state": one.state} for job, (number, one) in found.queued.items()},
        "owned": {job: str(owner) for job, owner in found.owned.items()},
        "batches": [
            {
                "jobs": list(batch.jobs),
                "gpus": batch.gpus,
                "nodes": batch.nodes,
                "at_once": _at_once(batch),
                "time": batch.settings.time,
                "partition": batch.settings.partition,
                "script": script_of(batch),
            }
            for batch in batches
        ],
    }
