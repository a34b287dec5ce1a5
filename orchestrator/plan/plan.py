"""What a plan is made of: jobs and their stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.benchmark.task import Task
from orchestrator.data.bad_videos import BadVideos, cache_of
from orchestrator.plan.outputs import Kind, Outputs
from orchestrator.plan.record import Record, is_done, outputs_in, read
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import Engine, Part, Trainer

TRAIN_SPLITS = ("train", "dev")
# stages whose outputs only other stages read, and that take room
LARGE = ("init", "convert", "train")
O = TypeVar("O", bound=Outputs)  # noqa: E741


@dataclass(frozen=True)
class Stage:
    """One step of a job. `inputs` is what its key is the hash of; `needs` are the stages it reads from.

    ``changed`` says in words which of its inputs are others by now, as `changes.changes`.
    """

    kind: Kind
    job: str
    folder: Path
    key: str
    inputs: Mapping[str, Any] = field(hash=False)
    needs: tuple[Stage, ...] = ()
    changed: Callable[..., list[str]] = field(default=lambda **_: [], compare=False, repr=False)

    @property
    def name(self) -> str:
        """``<job>/<kind>``, as shown to the user."""
        return f"{self.job}/{self.kind}"

    @property
    def done(self) -> bool:
        """Whether its outputs are on disk, complete, and made from what it needs as that is now."""
        record = read(self.folder)
        return is_done(self.folder, record) and self.fits(record)

    def lineage(self) -> dict[str, str]:
        """By kind, which making of each needed stage is on disk; what was removed, or has no mark, is left out."""
        return {stage.kind: mark for stage in self.needs if (record := read(stage.folder)) and (mark := record.mark)}

    def fits(self, record: Record | None) -> bool:
        """Whether what a record tells of is this stage, made from what it needs as that is now."""
        if record and (record.stage, record.key) != (self.kind, self.key):
            return False
        made_from = record.made_from if record else {}
        return all(made_from.get(kind) == mark for kind, mark in self.lineage().items())

    def outputs(self, kind: type[O]) -> O:
        """What it says of its outputs, where it is known to be done.

        Raises:
            StageError: that was lost since; the next run does it again.
        """
        return outputs_in(self.folder, kind)

    def need(self, kind: str) -> Stage | None:
        """The needed stage of a kind, if it needs one."""
        return next((stage for stage in self.needs if stage.kind == kind), None)

    def input(self, kind: str) -> Stage:
        """The stage of a kind that this one is known to need.

        Raises:
            LookupError: it needs none, which is a fault of this program.
        """
        found = self.need(kind)
        if found is None:
            raise LookupError(f"{self.name} needs no {kind}")
        return found


@dataclass(frozen=True)
class Job:
    """What leads to one checkpoint and its scores on the job's tasks. ``recipe`` is the plan's as this job runs it.

    ``partial``: of its stages some alone are looked at, each of which is wanted for itself.
    """

    name: str
    tasks: tuple[Task, ...]
    stages: tuple[Stage, ...]
    recipe: Recipe = field(hash=False)
    partial: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to do, by what is on disk now."""
        return not self.todo()

    def todo(self) -> list[Stage]:
        """The stages that are to run, by what is on disk now: those that are not done, and what follows from that.

        A training whose folder was removed to free the disk is done again only if something that is to run reads its
        weights. What was made from old weights or old answers is made again with them.
        """
        wanted = {stage for stage in self.stages if (self.partial or stage.kind not in LARGE) and not stage.done}
        for stage in reversed(self.stages):
            # scores are made from the answers alone
            readers = (other for other in wanted if other.kind != "score" and stage in other.needs)
            if stage.kind in LARGE and not stage.done and any(readers):
                wanted.add(stage)
        again = {stage for stage in wanted if stage.kind in ("train", "infer")}
        return [stage for stage in self.stages if stage in wanted or again & set(stage.needs)]

    def stage(self, kind: str) -> Stage:
        """The stage of a kind that the job is known to have."""
        return next(stage for stage in self.stages if stage.kind == kind)


@dataclass(frozen=True)
class Plan:
    """A recipe and the jobs it comes to."""

    recipe: Recipe
    jobs: tuple[Job, ...]
    folder: Path
    merge: bool = False

    @property
    def engine(self) -> Engine:
        """What answers the recipe's requests."""
        return registry.engine_of(self.recipe)

    @property
    def trainer(self) -> Trainer:
        """What trains the recipe's model, or makes it from scratch.

        Raises:
            InputError: its toolkit trains nothing.
        """
        return registry.trainer_of(self.recipe)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that the plan starts programs of."""
        trains = self.recipe.train or self.recipe.model.init
        return (self.engine, self.trainer) if trains else (self.engine,)

    def part(self, kind: str) -> Part:
        """Whose programs a kind of stage runs; of those that run none, the engine."""
        return registry.part_of(self.recipe, kind)

    @property
    def bad_videos(self) -> BadVideos:
        """What is done with bad videos; which are sound is remembered beside the runs."""
        return BadVideos(self.recipe.on_bad_video, cache_of(self.folder.parent))

    def recipe_of(self, stage: Stage) -> Recipe:
        """The recipe as the stage's job runs it: under sft with the task's own training settings."""
        return next(job.recipe for job in self.jobs if job.name == stage.job)

    def tasks_of(self, stage: Stage) -> tuple[Task, ...]:
        """The tasks of a stage's job."""
        return next(job.tasks for job in self.jobs if job.name == stage.job)

    @property
    def stages(self) -> Iterator[Stage]:
        """All stages, in the order in which they run."""
        for job in self.jobs:
            yield from job.stages
