"""``status --watch``: how far runs are, until nothing runs any more."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from orchestrator.cli.clock import about, clock
from orchestrator.cli.frame import FAILED, QUIET, RUNS, Line, cut_middle
from orchestrator.cli.in_queue import SubmittedJob
from orchestrator.cli.live import Screen
from orchestrator.cli.on_disk import RunOnDisk
from orchestrator.cli.stages_on_disk import StageOnDisk
from orchestrator.cli.table import tell
from orchestrator.cli.view import lines_can_move
from orchestrator.errors import listed

EVERY_SECONDS = 2.0
PLAIN_SECONDS = 30.0  # where nobody looks on: how often it is said that stages are further
MOST_NAMED = 6  # jobs and stages
Runs = Mapping[str, RunOnDisk]
STYLES = {"running": RUNS, "done": QUIET}


def watch_runs(look: Callable[[], Runs], every: float = EVERY_SECONDS) -> None:
    """Show runs until nothing of them runs, or the user stops it with Ctrl-C.

    On a terminal the same lines are written over; else lines are added when something changed.

    Args:
        look: reads how far they are.
        every: seconds between two looks.
    """
    with contextlib.suppress(KeyboardInterrupt):  # whoever looks on has seen enough
        _on_terminal(look, every) if lines_can_move() else _plain(look, every)


def _looks(look: Callable[[], Runs], every: float) -> Iterator[Runs]:
    """What is seen each time; nothing of the last runs any more."""
    while True:
        runs = look()
        yield runs
        if not any(run.running or run.queued for run in runs.values()):
            return
        time.sleep(every)


def _on_terminal(look: Callable[[], Runs], every: float) -> None:
    screen = Screen()
    runs: Runs = {}
    try:
        for runs in _looks(look, every):
            width, height = screen.size
            found = [line for name, run in runs.items() for line in lines(name, run)]
            screen.draw(fitted(found, width, height, screen.dots))
    finally:
        screen.close()
        _print(runs)


def _plain(look: Callable[[], Runs], every: float) -> None:
    said: dict[str, object] = {}
    spoken = 0.0
    for runs in _looks(look, every):
        now, states = time.monotonic(), {name: _states(run) for name, run in runs.items()}
        further = {name: [one.progress for one in run.stages] for name, run in runs.items()}
        if states != said.get("states") or (further != said.get("further") and now - spoken >= PLAIN_SECONDS):
            said, spoken = {"states": states, "further": further}, now
            _print(runs)


def _states(run: RunOnDisk) -> object:
    """What is told at once when it changes."""
    stages, queue = [(one.stage, one.state) for one in run.stages], [(job.job, job.state) for job in run.submitted]
    return run.jobs_done, run.state, sorted(run.owners), stages, queue


def _print(runs: Runs) -> None:
    if runs:
        tell("\n".join(text for name, run in runs.items() for text, _ in lines(name, run)) + "\n", flush=True)


def about_run(run: RunOnDisk) -> Iterator[str]:
    """What is to be said of a whole run: jobs that are done, the time left, who works on it."""
    parts = [f"{run.jobs_done} of {run.jobs} jobs are done"] if run.jobs else []
    if run.left is not None:
        parts.append(f"{about(run.left)} left")
    if parts:
        yield ", ".join(parts)
    by: dict[str, list[str]] = {}
    for job, owner in run.owners.items():
        by.setdefault(str(owner), []).append(job)
    for owner_name, jobs in by.items():
        yield f"{owner_name} works on {listed(jobs, MOST_NAMED)}"
    working = {(owner.host, owner.pid) for owner in run.owners.values()}
    for waiter in [one for one in run.at_work if (one.host, one.pid) not in working]:
        yield f"{waiter} waits for its turn"


def lines(name: str, run: RunOnDisk) -> list[Line]:
    """A run in few lines: what runs and what went wrong each on its own, what is done and what waits counted."""
    done = sum(one.state == "done" for one in run.stages)
    head = [f"{name}: {run.state}", *about_run(run)]
    found = [(text, QUIET if number else RUNS) for number, text in enumerate(head)]
    others = [one for one in run.stages if one.state != "done"]
    found += [(f"  {_line(one)}", STYLES.get(one.state, FAILED)) for one in others]
    found += [(f"  {_queued(job)}", RUNS if job.waits_or_runs else FAILED) for job in run.submitted]
    if done:
        found.append((f"  {done} {'stage is' if done == 1 else 'stages are'} done", QUIET))
    if run.waiting:
        verb = "waits" if len(run.waiting) == 1 else "wait"
        found.append((f"  {listed(run.waiting, MOST_NAMED)} {verb}", QUIET))
    return [*found, *([(f"  {run.note}", QUIET)] if run.note else [])]


def _line(one: StageOnDisk) -> str:
    state = "" if one.state == "running" else one.state
    took = clock(one.seconds) if one.seconds else ""
    left = f"{about(one.left)} left" if one.left is not None else ""
    return "  ".join(filter(None, [one.stage, state, one.progress, took, left, one.error]))


def _queued(job: SubmittedJob) -> str:
    place = f"on {job.node}" if job.node else ""
    left = f"{job.left} left of its limit" if job.left else ""
    return "  ".join(filter(None, [f"{job.job} (Slurm job {job.id})", job.state, job.why, place, left]))


def fitted(found: Sequence[Line], width: int, height: int, dots: str = "…") -> list[Line]:
    """Lines cut to a terminal: of too many the last are counted."""
    shown = list(found) if len(found) <= height else list(found[: max(0, height - 1)])
    if more := len(found) - len(shown):
        shown.append((f"and {more} more lines: a higher terminal shows them", QUIET))
    return [(cut_middle(text, width, dots), style) for text, style in shown]
