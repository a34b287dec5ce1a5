"""Where a plan computes: devices, and how many of them."""

from __future__ import annotations

import shutil
from typing import NamedTuple

from orchestrator.errors import Problem
from orchestrator.machine.allocation import allocation
from orchestrator.machine.gpus import visible_gpus
from orchestrator.plan.outputs import Kind
from orchestrator.plan.plan import Plan
from orchestrator.recipe.recipe import Recipe

LOADS = ("init", "train", "select", "merge", "infer")  # stages that load the model


SMALL = 1.0  # billions of parameters that a CPU can be asked to run without being named


def device_of(plan: Plan) -> str:
    """Where a plan's processes compute: "cuda" or "cpu"."""
    if plan.recipe.model.gpus == 0:
        return "cpu"  # hosted: what computes is elsewhere
    wanted = plan.recipe.resources.device
    if wanted == "auto":
        # a large model on a CPU is nobody's wish, and its plan is made on a login node, too
        return "cuda" if visible_gpus() or (plan.recipe.model.params_b or 0) > SMALL else "cpu"
    return wanted


def intended_device(plan: Plan) -> str:
    """Where a plan is meant to compute, wherever it is made: on GPUs, but for a hosted model or a CPU that is named."""
    recipe = plan.recipe
    return "cpu" if recipe.model.gpus == 0 or recipe.resources.device == "cpu" else "cuda"


def loads_model(plan: Plan) -> bool:
    """Whether what is left of a plan loads the model."""
    return any(stage.kind in LOADS for job in plan.jobs for stage in job.todo())


def machine_problems(plan: Plan) -> list[Problem]:
    """What this machine, or its allocation, lacks for what is left of a plan."""
    recipe = plan.recipe
    if not loads_model(plan):
        return []
    where, found = str(recipe.source or recipe.name), _nodes_lacking(plan)
    gpus, needed = len(visible_gpus()), gpus_needed(recipe, device_of(plan), on_a_node=True)
    if gpus < needed:
        fewer = "lower resources.processes, " if recipe.train and recipe.resources.processes > 1 else ""
        hint = f"use a machine with more, {fewer}or --set resources.device=cpu if you mean it (a small model)"
        each = " on each node" if recipe.train and recipe.resources.nodes > 1 else ""
        message = f"{recipe.model.name} needs {needed} GPU{'s' * (needed > 1)}{each}, {gpus} can be seen here"
        found.append((message, hint))
    return [Problem(message, where, hint) for message, hint in found]


def _nodes_lacking(plan: Plan) -> list[tuple[str, str]]:
    """What trainings on several nodes lack here, and what to do."""
    nodes = plan.recipe.resources.nodes
    if nodes == 1 or not any(stage.kind == "train" for job in plan.jobs for stage in job.todo()):
        return []
    given = allocation()
    if given and given.nodes >= nodes:
        return [] if shutil.which("srun") else [("`srun` is not on the PATH, which starts trainings on other nodes",
                                                 "put the folder of Slurm's commands on the PATH")]  # fmt: skip
    here = f"an allocation with {given.nodes} of them" if given else "no allocation of Slurm's"
    return [
        (
            f"{plan.recipe.model.name} is to train on {nodes} nodes (resources.nodes), and this is {here}",
            f"submit it with `run --on slurm`, or run it within `salloc --nodes={nodes} --ntasks-per-node=1`; "
            "or --set resources.nodes=1",
        )
    ]


def inference_processes(recipe: Recipe, device: str, gpus: int | None = None) -> int:
    """How many processes share the requests: as the recipe says, else as many as the GPUs can hold.

    ``gpus``: how many there are for it; ``None``: all that can be seen here.
    """
    if recipe.resources.inference_processes:
        return recipe.resources.inference_processes
    there = len(visible_gpus()) if gpus is None else gpus
    return max(1, there // recipe.model.gpus) if device == "cuda" and recipe.model.gpus else 1


def gpus_needed(recipe: Recipe, device: str, *, on_a_node: bool = False) -> int:
    """GPUs that the largest stage of a recipe takes at least: none on a CPU or for a hosted model.

    ``on_a_node``: of each node; else of all together.
    """
    if device == "cpu":
        return 0
    asked, resources = recipe.model.gpus * (recipe.resources.inference_processes or 1), recipe.resources
    training = resources.processes_per_node if on_a_node else resources.processes
    return max(asked, training if recipe.train else 0)


class Need(NamedTuple):
    """What a stage computes on.

    Attributes:
        least: GPUs that it cannot do without, of all its nodes together.
        most: GPUs that it can make use of, a multiple of ``least``.
        host: it loads a model without a GPU, or asks a hosted one.
        nodes: machines that it takes, with as many GPUs each.
    """

    least: int = 0
    most: int = 0
    host: bool = False
    nodes: int = 1

    def on_a_node(self) -> Need:
        """What it takes of each of its nodes."""
        return self._replace(least=self.least // self.nodes, most=self.most // self.nodes, nodes=1)


def need_of(recipe: Recipe, kind: Kind, device: str) -> Need:
    """What a kind of stage of a recipe computes on; conversions and scores need next to nothing."""
    answers = kind == "infer" or (kind == "select" and recipe.select.strategy == "dev_accuracy")
    if kind not in LOADS or (kind == "select" and not answers):
        return Need()
    if device == "cpu" or kind in ("init", "merge"):  # these are made in the machine's memory
        return Need(host=True, nodes=recipe.resources.nodes if kind == "train" else 1)
    if kind == "train":
        return Need(recipe.resources.processes, recipe.resources.processes, nodes=recipe.resources.nodes)
    least = recipe.model.gpus * (recipe.resources.inference_processes or 1)
    most = recipe.model.gpus * inference_processes(recipe, device)
    return Need(least, max(least, most))
