"""What the orchestrator itself costs a stage: ``python -m tests.benchmarks.bench_schedule [--makespan SEEDS]``.

The stages' work is left out (their outputs are written at once, or a process sleeps), all else is as in a run: queue,
locks, records, threads. ``--makespan``: 200 jobs of random lengths and needs over eight GPUs that are names alone,
against what no order can beat; how often two had one GPU is counted, too (with CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7).
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

from orchestrator.cli.plain import View
from orchestrator.launch.local import Launcher
from orchestrator.machine.signals import Stop
from orchestrator.plan.make import make_plan
from orchestrator.plan.outputs import Outputs
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.recipe.load import load_recipe, load_sweep
from orchestrator.run import perform
from orchestrator.run.queue import Queue
from orchestrator.run.schedule import Scheduler
from orchestrator.run.stages.context import Context
from orchestrator.toolkits.base import Command
from tests.shared import RECIPES
from tests.stages import DONE

SLEEP = 0.5  # seconds of a stage's process
MEAN = 1.0  # of a random one
Work = Callable[[Context, Stage], Outputs]


class Quiet(View):
    """Tells nobody."""

    def line(self, text: str) -> None:
        pass


class NoResults:
    """Writes none."""

    def scored(self, plan: Plan, job: Job) -> None:
        pass

    def tick(self) -> None:
        pass


def at_once(context: Context, stage: Stage) -> Outputs:
    """Leaves what a stage leaves."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    return DONE[stage.kind]


def asleep(context: Context, stage: Stage) -> Outputs:
    """The same, of a process."""
    context.launch(context.plan.engine, [Command(("sleep", str(SLEEP)))], stage.folder, lambda: None)
    return DONE[stage.kind]


@contextmanager
def replaced(work: Work) -> Iterator[None]:
    """Have all stages do this."""
    before: Mapping[str, object] = perform.WORK
    perform.WORK = dict.fromkeys(DONE, work)  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        perform.WORK = before  # type: ignore[misc, assignment]


def plans_of(jobs: int, folder: Path) -> list[Plan]:
    """Sweeps over the demo's recipe, of which one may have 500 combinations: six stages each."""
    seen: dict[str, str | None] = {}
    recipes = []
    for first in range(0, jobs, 500):
        seeds = range(first, min(first + 500, jobs))
        recipes += load_sweep(RECIPES / "demo.yaml", sweep=[f"seed={','.join(map(str, seeds))}"])
    return [make_plan(recipe, folder, seen=seen) for recipe in recipes]


def scheduled(plans: list[Plan], at_most: int, work: Work, gpus: Sequence[str] = ()) -> tuple[float, float]:
    """Seconds of wall time and of this process's processors that a run of plans takes."""
    view, stop = Quiet(), Stop()
    wall, own = time.perf_counter(), time.process_time()
    with replaced(work), Launcher() as launcher:
        view.start(plans)
        failed = Scheduler(plans, Queue(gpus, at_most, at_most), launcher, stop, view, NoResults()).run()
    assert not failed, failed[0]
    return time.perf_counter() - wall, time.process_time() - own


class Drawn:
    """A training of a random length, a process that sleeps; all else is done at once."""

    def __init__(self, seed: int, plans: Sequence[Plan]):
        draw = random.Random(seed)
        self.seconds = {plan.recipe.name: draw.uniform(0, 2 * MEAN) for plan in plans}
        self.used: list[tuple[float, float, tuple[str, ...]]] = []

    def __call__(self, context: Context, stage: Stage) -> Outputs:
        if stage.kind == "train":
            begun, command = time.monotonic(), Command(("sleep", f"{self.seconds[context.recipe.name]:.3f}"))
            context.launch(context.plan.engine, [command], stage.folder, lambda: None)
            self.used.append((begun, time.monotonic(), context.gpus))
        return at_once(context, stage)

    def twice(self) -> int:
        """How many pairs of trainings had one GPU at one time."""
        pairs = combinations(self.used, 2)
        return sum(a < d and c < b and bool({*one} & {*other}) for (a, b, one), (c, d, other) in pairs)


def makespan(seed: int, folder: Path) -> str:
    """Of 200 trainings on eight GPUs, over the least that is possible."""
    needs = random.Random(-1 - seed)
    plans = []
    for number in range(200):
        sets = {"seed": number, "name": f"job{number}", "resources.device": "cuda", "train.micro_batch_size": 1}
        sets |= {"resources.processes": needs.choice((1, 2, 4, 8)), "train.batch_size": 8}
        recipe = load_recipe(RECIPES / "demo.yaml", [f"{key}={value}" for key, value in sets.items()])
        plans.append(make_plan(recipe, folder))
    work = Drawn(seed, plans)
    wall, _ = scheduled(plans, 10, work, [str(number) for number in range(8)])
    total = sum(work.seconds[plan.recipe.name] * plan.recipe.resources.processes for plan in plans)
    bound = max(total / 8, *work.seconds.values())
    return f"seed {seed}: {wall:.1f} s, bound {bound:.1f} s, ratio {wall / bound:.3f}, one GPU twice: {work.twice()}"


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    if arguments[:1] == ["--makespan"]:
        for seed in range(int(arguments[1])):
            with tempfile.TemporaryDirectory() as folder:
                print(makespan(seed, Path(folder)), flush=True)
        return
    for stages in (54, 498, 4998):
        with tempfile.TemporaryDirectory() as folder:
            plans = plans_of(stages // 6, Path(folder))
            wall, own = scheduled(plans, 8, at_once)
            print(
                f"{stages:>5,} stages, 8 at once: {1000 * wall / stages:.1f} ms each ({1000 * own / stages:.1f} of CPU)"
            )
    with tempfile.TemporaryDirectory() as folder:
        stages = 96
        wall, own = scheduled(plans_of(stages // 6, Path(folder)), 8, asleep)
        print(f"{stages} processes that sleep for {SLEEP} s, 8 at once:")
        print(f"{_ms(own, stages)} of processor each, {_ms(wall - SLEEP * stages / 8, stages)} longer than they alone")


def _ms(seconds: float, stages: int) -> str:
    return f"{1000 * seconds / stages:.1f} ms"


if __name__ == "__main__":
    main(sys.argv[1:])
