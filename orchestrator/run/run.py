"""``run``: from recipe files to results CSVs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.errors import InputError, Interrupted
from orchestrator.machine.gpus import visible_gpus
from orchestrator.machine.signals import Stop, heeding, interruptible
from orchestrator.plan.devices import device_of, loads_model
from orchestrator.plan.known import Known
from orchestrator.plan.make import make_plan
from orchestrator.plan.only import chosen, unmet
from orchestrator.plan.pins import pin, pinned
from orchestrator.plan.plan import Plan
from orchestrator.plan.same import refuse_same
from orchestrator.plan.why import notes
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run import RESULTS, RUNS
from orchestrator.run.again import look_again
from orchestrator.run.listener import Listener
from orchestrator.run.prepare import keep_recipes, prepare, results_kept, unpack_videos
from orchestrator.run.queue import Queue
from orchestrator.run.record import disk_errors
from orchestrator.run.report import report, whole
from orchestrator.run.reporter import Reporter


def run_recipes(
    asked: RecipeFiles,
    runs_dir: Path,
    results_dir: Path,
    listen: Callable[[], Listener],
    *,
    only: Sequence[str] = (),
    merge: bool = False,
    errors_again: bool = False,
    jobs: int | None = None,
) -> int:
    """Run recipes, as many stages at once as the GPUs allow; returns the exit status.

    Args:
        asked: the recipes.
        runs_dir: where stages keep their files.
        results_dir: where results CSVs go.
        listen: makes who is told how it goes.
        only: the jobs and stages that are run, see `plan.only.chosen`; all if none.
        merge: also write merged weights.
        errors_again: ask the requests again that ended in an error.
        jobs: the most stages that run at once; ``None``: as the GPUs allow, on a CPU one.

    Raises:
        InputError: something is wrong with the input, or a part needs what is not done; nothing was launched.
        Interrupted: the user stopped the run.
    """
    runs_dir, results_dir = runs_dir.expanduser(), results_dir.expanduser()
    recipes = asked.load()
    unpack_videos(recipes, only)  # before planning: a stage's key holds its videos' sizes
    seen: dict[str, str | None] = {}
    everything = [make_plan(recipe, runs_dir, merge=merge, seen=seen) for recipe in recipes]
    refuse_same(everything)
    plans = chosen(everything, only)
    names = {plan.recipe.name for plan in plans}
    # planned now, as files may be edited while the run goes on
    shown = [whole(asked, plan, seen) for plan in everything if plan.recipe.name in names]
    with interruptible():
        listener = listen()
        failed = False
        with disk_errors():
            look_again(plans, listener.line, errors=errors_again)
        if lacking := unmet(plans, asked, _folders(runs_dir, results_dir)):
            raise InputError(lacking)
        try:
            if all(job.done for plan in plans for job in plan.jobs):
                listener.line("everything is done already")
            else:
                for note in (note for plan in plans for note in notes(plan)):
                    listener.line(f"note: {note}")
                prepare(plans, results_dir, listener)
                keep_recipes(shown, asked, listener.line)
                pinned_plans = [pin(plan, listener.line) if loads_model(plan) else pinned(plan) for plan in plans]

                failed = _run(pinned_plans, listener, Reporter(shown, results_dir, listener), jobs)
        except Interrupted:
            with results_kept(runs_dir, results_dir):
                report(shown, results_dir, listener)
            raise
        with results_kept(runs_dir, results_dir):
            report(shown, results_dir, listener)
    return 1 if failed else 0


def _folders(runs_dir: Path, results_dir: Path) -> list[str]:
    """The words of a command that works on these folders."""
    folders = {"--runs-dir": (runs_dir, RUNS), "--results-dir": (results_dir, RESULTS)}
    return [word for option, (folder, usual) in folders.items() if folder != usual for word in (option, str(folder))]


def _run(plans: Sequence[Plan], listener: Listener, results: Reporter, jobs: int | None) -> bool:
    """Run what is not done; returns whether a stage failed."""
    from orchestrator.launch.local import Launcher
    from orchestrator.run.schedule import Scheduler

    stop = Stop()
    grace = max(plan.recipe.resources.grace_seconds for plan in plans)
    try:
        with heeding(stop), Launcher(grace) as launcher:
            listener.start(plans)
            queue = queue_for(plans, jobs)
            # one after another the order is the user's, whatever they take
            known = Known.read(plans[0].folder.parent) if len(queue.free) > 1 else None
            failures = Scheduler(plans, queue, launcher, stop, listener, results, known).run()
    except Interrupted as error:
        raise Interrupted(f"{error}; nothing is left running, the same command goes on from here") from None
    finally:
        listener.close()
    if failures:
        names = ", ".join(f"{stage.folder.parent.parent.name} {stage.name}" for stage, _ in failures)
        print(f"failed: {names} (the reason is above; what is done stays done)", file=sys.stderr)
    return bool(failures)


def queue_for(plans: Sequence[Plan], jobs: int | None) -> Queue:
    """The queue of a run's stages, over the GPUs that this process may use.

    Stages that need no GPU run beside those that do; models on the CPU one after another, unless ``jobs`` says more.
    """
    gpus = visible_gpus() if any(device_of(plan) == "cuda" for plan in plans) else []
    return Queue(gpus, jobs or len(gpus) + bool(gpus) + 1, jobs or 1)
