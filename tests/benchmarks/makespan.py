"""How long the whole benchmark takes on so many GPUs, by the queue that `run` uses, under a clock of its own.

    python -m tests.benchmarks.makespan [--lengths FILE.yaml] [--gpus 8,32,128]

The jobs are those of the 49 recipes; how long their stages take is in lengths.yaml beside this file, to be replaced by
a lab's own numbers. Machines have 8 GPUs each and share the jobs: whoever gives one GPUs first keeps it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Job, Plan
from orchestrator.recipe.load import load_recipe
from orchestrator.run.queue import Queue
from tests.run.simulated import Job as Steps
from tests.run.simulated import Simulation, Step, bound, slots
from tests.shared import RECIPES

LENGTHS = Path(__file__).with_name("lengths.yaml")
MACHINE = 8  # GPUs of one
PLACES = 16  # stages at once on one machine


class Lengths:
    """How long stages take.

    Args:
        file: a YAML file such as lengths.yaml.
    """

    def __init__(self, file: Path):
        self._table: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))

    def steps(self, plan: Plan, job: Job) -> Steps:
        """A job's stages, with their needs and lengths in seconds."""
        return [self._step(plan, job, stage.kind) for stage in job.stages]

    def _step(self, plan: Plan, job: Job, kind: str) -> Step:
        recipe = plan.recipe
        samples = {split: sum(task.sizes[split] for task in job.tasks) for split in ("train", "dev", "test")}
        if kind in ("convert", "select", "score"):
            fixed, count = self._table[kind], samples["test"]
            count = samples["train"] + samples["dev"] if kind == "convert" else count
            return Step(fixed["base"] + fixed["per_sample"] * count)
        model = recipe.model
        sizes = self._table[f"{model.toolkit} {recipe.modality}"]
        row = sizes[min(size for size in sizes if size >= (model.params_b or 0))]
        load = row["load"]
        if kind == "train":
            assert job.recipe.train is not None
            least = most = recipe.resources.processes
            work = samples["train"] * job.recipe.train.epochs * row["train"]
        else:
            least, most = model.gpus, MACHINE
            work = samples["test"] * row["answer"]
        return Step(load + work / max(least, 1), least, most if least else 0, load, host=not least)


class Result(NamedTuple):
    """What a simulation came to: seconds, what no order can beat, and the share of GPU-time that was lent."""

    makespan: float
    bound: float
    use: float


def benchmark(lengths: Lengths) -> list[Steps]:
    """The jobs of the benchmark's recipes, in the order in which `run recipes/*.yaml` has them."""
    found, published = [], {model.name for model in models().values() if model.benchmark}
    for file in sorted(RECIPES.glob("*.yaml")):
        recipe = load_recipe(file)
        # others are of newer models, for demos and tests, or for a first comparison
        if recipe.model.name in published and recipe.tasks == tuple(benchmark_tasks("mmla")):
            plan = make_plan(recipe, Path("runs"))
            found += [lengths.steps(plan, job) for job in plan.jobs]
    return found


def simulated(jobs: Sequence[Steps], gpus: int, known: bool) -> Result:
    """The jobs on machines of 8 GPUs; ``known``: the queues are told how long stages take."""
    machines = [Queue(slots(MACHINE), PLACES) for _ in range(gpus // MACHINE)]
    for queue in machines:
        queue.machines = len(machines)
    simulation = Simulation(jobs, machines, lambda seconds: seconds if known else None)
    makespan = simulation.run()
    lent = sum(len(one.lease) * one.seconds for one in simulation.started)
    return Result(makespan, bound(jobs, gpus, MACHINE), lent / gpus / makespan)


def one_after_another(jobs: Sequence[Steps]) -> float:
    """Seconds of one stage after another on one machine, answers on as many GPUs as the model's groups fill."""
    return sum(one.on(max(one.least, one.most)) if one.least else one.seconds for job in jobs for one in job)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long the whole benchmark takes on so many GPUs.")
    parser.add_argument("--lengths", type=Path, default=LENGTHS, metavar="FILE.yaml")
    parser.add_argument("--gpus", default="8,32,128", help=f"multiples of {MACHINE}, with commas")
    asked = parser.parse_args()
    jobs = benchmark(Lengths(asked.lengths))
    alone = one_after_another(jobs)
    print(f"{len(jobs)} jobs, {sum(map(len, jobs))} stages; one after another: {alone / 3600:,.0f} hours\n")
    print("| GPUs | lengths | makespan | bound | ratio | GPU use | times faster |")
    print("|---|---|---|---|---|---|---|")
    for gpus in map(int, asked.gpus.split(",")):
        for known in (False, True):
            result = simulated(jobs, gpus, known)
            hours = f"{result.makespan / 3600:,.1f} h | {result.bound / 3600:,.1f} h"
            rates = f"{result.makespan / result.bound:.2f} | {result.use:.0%} | {alone / result.makespan:.1f}"
            print(f"| {gpus} | {'known' if known else 'unknown'} | {hours} | {rates} |")


if __name__ == "__main__":
    main()
