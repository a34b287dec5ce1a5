"""Jobs of plans as batches: what is handed to Slurm in one call. Pure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.launch.slurm.script import Batch
from orchestrator.launch.slurm.submitted import FOLDER
from orchestrator.machine.files import digest
from orchestrator.plan.devices import intended_device, need_of
from orchestrator.plan.plan import Job, Plan
from orchestrator.recipe.resolved import written

USUAL_ARRAY = 1001  # Slurm's own MaxArraySize
_HASH = 8  # hex digits


@dataclass(frozen=True)
class Command:
    """What a job's command says beside its recipe.

    Attributes:
        runs_dir: absolute.
        results_dir: absolute.
        cwd: where jobs run.
        merge: also write merged weights.
        options: what else the command that submits says.
    """

    runs_dir: Path
    results_dir: Path
    cwd: Path
    merge: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """A recipe as it is submitted: whatever becomes of the run's own copy, a job that waits does what was asked."""

    file: Path
    text: str


def kept(shown: Plan) -> Kept:
    """The recipe that a plan's jobs run."""
    folder = (shown.folder / FOLDER).absolute()
    text = written(shown.recipe, folder)
    return Kept(folder / f"recipe-{digest(text)[:_HASH]}.yaml", text)


def work_of(job: Job) -> str:
    """A hash of all that a job computes; another one means other settings, other data or other programs."""
    return digest([stage.key for stage in job.stages])


def width_of(plan: Plan, job: Job) -> tuple[int, int]:
    """GPUs of each node, and nodes, of the widest stage that is left of a job; inference uses what there is."""
    device = intended_device(plan)
    needs = [need_of(job.recipe, stage.kind, device) for stage in job.todo()]
    gpus = max((need.on_a_node().least for need in needs), default=0)
    return gpus, max((need.nodes for need in needs), default=1)


def batches_of(
    plan: Plan, jobs: Sequence[Job], recipe: Path, command: Command, most: int = USUAL_ARRAY
) -> Iterator[Batch]:
    """Jobs of a plan, those that ask for the same together.

    Args:
        plan: theirs, whose recipe holds what its site says, too.
        jobs: those that are to be submitted.
        recipe: the file that they run, see `kept`.
        command: what else their command says.
        most: how many an array may hold; 0: there are no arrays.
    """
    alike: dict[tuple[int, int], list[str]] = {}
    for job in jobs:
        alike.setdefault(width_of(plan, job), []).append(job.name)
    for (gpus, nodes), names in alike.items():
        for start in range(0, len(names), most or 1):
            yield Batch(
                recipe=plan.recipe.name,
                jobs=tuple(names[start : start + (most or 1)]),
                gpus=gpus,
                nodes=nodes,
                grace=plan.recipe.resources.slurm_grace_seconds,
                settings=plan.recipe.slurm,
                folder=(plan.folder / FOLDER).absolute(),
                cwd=command.cwd,
                argv=_argv(plan, recipe, command),
                array=most > 0,
                checkout=_checkout(),
            )


def _argv(plan: Plan, recipe: Path, command: Command) -> list[str]:
    swept = ["--of-sweep", json.dumps(asdict(plan.recipe.swept))] if plan.recipe.swept else []
    folders = ["--runs-dir", str(command.runs_dir), "--results-dir", str(command.results_dir)]
    # not from the working directory: a json.py of the user's is not what is meant
    program = [sys.executable, "-P", "-m", "orchestrator.launch.slurm.job"]
    start = [*program, str(plan.folder.absolute()), str(plan.recipe.slurm.requeues), "run", str(recipe)]
    return [*start, *folders, *swept, *(["--merge"] if command.merge else []), *command.options, "--checked"]


def _checkout() -> Path | None:
    """The folder of the very package that submits: Python may know one of another checkout, or none."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() else None
