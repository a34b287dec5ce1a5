"""How long a whole run still takes: from what runs, and from how long stages of the same kind took in this run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import exp
from pathlib import Path

from orchestrator.cli.tally import Running, Tally
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.work import Counted, rows_in

SHORT_SECONDS = 2.0  # of a stage that loads no model, before one like it was seen
RESUMED = 0.2  # a stage of which more than this was there when it began says nothing of how long others take
CALM_SECONDS = 60.0  # how slowly it is believed that more or fewer run at once
UNKNOWN = (1, True)  # rows of a stage that is in no plan, and that it loads the model
Key = tuple[str, str]  # a recipe's name and a kind of stage


class Whole:
    """How long a run still takes. Stages of a recipe and kind take as long as the rows that they read are many."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        counted: Counted = {}
        self.stages = {stage.folder: _weight(stage, plan, job, counted) for stage, plan, job in _all(tally)}
        # combinations of a sweep share their results, and take alike
        self.names = {plan.folder: plan.recipe.results_name for plan in tally.plans}
        self.at_once: tuple[float, float] | None = None  # when it was last looked at, and how many ran at once

    def left(self, now: float) -> float | None:
        """Seconds until all stages are done; ``None`` where there is one of which nobody knows.

        No less than the longest job takes, and no less than all stages take with as many at once as there are now.
        """
        lengths = self._lengths(now)
        jobs: dict[Path, float] = defaultdict(float)
        for job, seconds in self._each(lengths, now):
            if seconds is None:
                return None
            jobs[job] += seconds
        heavy = sum(self._loads(running.stage) for running in self.tally.running.values())
        return max(sum(jobs.values()) / self._lanes(heavy, now), *jobs.values()) if jobs else None

    def _lanes(self, heavy: int, now: float) -> float:
        then, before = self.at_once or (now, float(heavy))
        lanes = heavy + (before - heavy) * exp((then - now) / CALM_SECONDS)
        self.at_once = now, lanes
        return max(1.0, lanes)

    def _lengths(self, now: float) -> dict[Key, float]:
        """Seconds per row of each recipe and kind, of stages that ended, or else of those that run."""
        seen: dict[Key, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for stage, seconds in self.tally.took:
            _learn(seen[self._key(stage)], seconds, self._rows(stage))
        ended = set(seen)
        for running in self.tally.running.values():
            stage = running.stage
            if running.left is not None and not _resumed(running) and self._key(stage) not in ended:
                _learn(seen[self._key(stage)], now - running.begun + running.left, self._rows(stage))
        return {key: seconds / rows for key, (seconds, rows) in seen.items()}

    def _each(self, lengths: dict[Key, float], now: float) -> Iterator[tuple[Path, float | None]]:
        """Seconds left of what runs and of what is to come, each with its job's folder."""
        tally = self.tally
        for running in tally.running.values():
            yield running.stage.folder.parent, self._left(running, lengths, now)
        # some of what was to come may be done by another process by now
        to_come = tally.total - tally.ended - len(tally.running)
        share = min(1.0, to_come / len(tally.to_come)) if tally.to_come else 1.0
        for stage in tally.to_come.values():
            seconds = self._of(stage, lengths)
            yield stage.folder.parent, seconds if seconds is None else seconds * share

    def _of(self, stage: Stage, lengths: dict[Key, float]) -> float | None:
        per_row = lengths.get(self._key(stage))
        if per_row is not None:
            return per_row * self._rows(stage)
        return None if self._loads(stage) else SHORT_SECONDS

    def _left(self, running: Running, lengths: dict[Key, float], now: float) -> float | None:
        if running.left is not None:
            return running.left
        whole = self._of(running.stage, lengths)
        rest = None if whole is None else whole - (now - running.begun)
        return 0.0 if not self._loads(running.stage) else rest if rest is not None and rest > 0 else None

    def _key(self, stage: Stage) -> Key:
        run = stage.folder.parent.parent
        return self.names.get(run, run.name), stage.kind

    def _rows(self, stage: Stage) -> int:
        return self.stages.get(stage.folder, UNKNOWN)[0]

    def _loads(self, stage: Stage) -> bool:
        return self.stages.get(stage.folder, UNKNOWN)[1]


def _all(tally: Tally) -> Iterator[tuple[Stage, Plan, Job]]:
    for plan in tally.plans:
        for job in plan.jobs:
            for stage in job.stages:
                yield stage, plan, job


def _learn(seen: list[float], seconds: float, rows: int) -> None:
    seen[0] += seconds
    seen[1] += rows


def _weight(stage: Stage, plan: Plan, job: Job, counted: Counted) -> tuple[int, bool]:
    """Rows that a stage reads, or 1 where they are not known of all jobs of its recipe; whether it loads the model."""
    compares = stage.kind == "select" and job.recipe.select.strategy == "dev_accuracy"
    split = "dev" if stage.kind == "select" else job.recipe.inference.split if stage.kind == "infer" else "train"
    known = len(plan.jobs) == 1 or all(rows_in(one, split, counted) for one in plan.jobs)
    return (rows_in(job, split, counted) or 1) if known else 1, compares or stage.kind in ("train", "infer", "merge")


def _resumed(running: Running) -> bool:
    seen, last = running.pace.seen, running.progress
    return bool(last and seen.done > RESUMED * last.total)
