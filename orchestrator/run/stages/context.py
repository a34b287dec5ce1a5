"""What a stage's work is given."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import StageError, listed
from orchestrator.launch.local import Launcher
from orchestrator.machine.allocation import allocation
from orchestrator.machine.extensions import compiled_extensions
from orchestrator.machine.signals import NEVER, Stop
from orchestrator.plan.identity import sizes_of
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.record import Attempt, damaged, read, reopen
from orchestrator.recipe.recipe import Recipe
from orchestrator.run.stages.stall import Stall
from orchestrator.toolkits.base import Command, Part, Progress, Say, ignore

AGAIN = "    run the same command again: "


class MixedInputs(StageError):
    """What a process read was changed while it ran, so that its outputs are of no known inputs."""


@dataclass(frozen=True)
class Context:
    """What a stage's work needs: the plan it belongs to, who starts processes, where progress and remarks go.

    ``gpus``: those that are its own while it runs. ``stop``: whether it is to end.
    ``attempt``: where it is kept how the work went, which began at ``begun`` (of the monotonic clock); ``keep`` has it
    stand on disk, where others see it while the stage runs. ``ours``: whether no other process took the job over.
    """

    plan: Plan
    job: Job
    launcher: Launcher
    device: str
    report: Callable[[Progress], None] = lambda _: None
    say: Say = ignore
    gpus: tuple[str, ...] = ()
    stop: Stop = NEVER
    attempt: Attempt | None = None
    keep: Callable[[], None] = lambda: None
    ours: Callable[[], bool] = lambda: True
    begun: float = field(default_factory=time.monotonic)

    @property
    def recipe(self) -> Recipe:
        """The recipe as the job runs it."""
        return self.job.recipe

    @property
    def job_folder(self) -> Path:
        """Where the job's stages have their folders."""
        return self.plan.folder / self.job.name

    def end_leftovers(self, folder: Path) -> None:
        """End what an earlier run left running in a folder of the stage."""
        self.launcher.end_leftovers(folder, self.recipe.resources.grace_seconds, self.say, self.stop)

    def need_unchanged(self, stage: Stage, *, rows_only: bool = False) -> None:
        """See that what was just read for a stage, or is about to be, is what its key was made of.

        Raises:
            StageError: it was edited since the run was planned.
        """
        if found := stage.changed(rows_only=rows_only):
            what = "".join(f"\n    - {one}" for one in found)
            raise StageError(
                f"what {stage.name} was planned for was changed since the run began:{what}\n"
                f"{AGAIN}it makes a new plan, or put back what was there"
            )

    def need_intact(self, stage: Stage) -> None:
        """See that what another stage wrote is what it wrote.

        Raises:
            StageError: files of it were lost or edited; the next run makes them again.
        """
        if names := damaged(stage.folder, read(stage.folder)):
            reopen(stage.folder)
            raise StageError(
                f"not as {stage.name} left it: {', '.join(names)} in {stage.folder}\n{AGAIN}it mends that first"
            )

    def need_weights(self, folder: Path | None) -> None:
        """See that the weights that are about to be loaded are whole.

        Raises:
            StageError: files of them are damaged or missing.
        """
        problems = self.plan.engine.weights_problems(folder) if folder else []
        if folder and problems:
            what = "".join(f"\n    - {problem}" for problem in problems)
            trained = folder.parent.parent
            raise StageError(
                f"the weights in {folder} are damaged:{what}\n    put them back from a copy, or train again: "
                f"rm -r {trained}, and run the same command again"
            )

    @contextlib.contextmanager
    def same_videos(self, videos: Iterable[str | None]) -> Iterator[None]:
        """See that videos stay the same while a toolkit reads them in this context.

        Raises:
            MixedInputs: one was replaced, changed in size or removed.
        """
        named = [video for video in videos if video]
        before = sizes_of(named)
        yield
        if changed := [video for video, old, new in zip(named, before, sizes_of(named), strict=True) if old != new]:
            what = f"videos were changed while they were read: {listed(changed, 1)}"
            raise MixedInputs(f"{what}\n{AGAIN}it does this stage again")

    def goes_on_from(self, what: str) -> None:
        """Keep what of earlier attempts the work goes on from; empty: nothing."""
        if self.attempt:
            self.attempt.resumed_from = what
            self.keep()

    def launch(
        self,
        part: Part,
        commands: Sequence[Command],
        folder: Path,
        progress: Callable[[], Progress | None],
    ) -> None:
        """Run commands of an engine or a trainer in a folder; they share the stage's GPUs."""
        earlier = progress()  # what an earlier attempt left in the log or in the journal
        before = earlier.done if earlier else 0
        stall = Stall(folder, self.recipe.resources.stall_minutes, before)

        def report() -> None:
            now = progress()
            if warning := stall.warning(now):
                self.say(warning)
            if now is None:
                return
            if self.attempt and self.attempt.startup_seconds is None and now.done not in (0, before):
                self.attempt.startup_seconds = round(time.monotonic() - self.begun, 3)
                self.attempt.startup_done = now.done - before
                self.keep()
            self.report(now)

        hours = self.recipe.resources.stage_timeout_hours
        extensions = self.plan.folder / ".torch_extensions"
        if given := allocation():
            extensions /= given.node  # nodes may differ in GPU and compiler
        with compiled_extensions(extensions):
            self.launcher.run(
                commands,
                folder,
                environment=part.environment,
                gpus=self.gpus,
                extensions=extensions,
                report=report,
                say=self.say,
                stop=self.stop,
                timeout_seconds=hours * 3600 if hours else None,
                grace=self.recipe.resources.grace_seconds,
            )
