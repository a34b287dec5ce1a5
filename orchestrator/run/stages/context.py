"""What a stage's work is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.launch.local import Launcher
from orchestrator.plan.plan import Job, Plan
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Command, Progress


@dataclass(frozen=True)
class Context:
    """What a stage's work needs: the plan it belongs to, who starts processes, where progress goes."""

    plan: Plan
    job: Job
    launcher: Launcher
    device: str
    report: Callable[[Progress], None]

    @property
    def recipe(self) -> Recipe:
        """The recipe as the job runs it."""
        return self.job.recipe

    def launch(
        self, commands: Sequence[Command], folder: Path, progress: Callable[[], Progress | None], gpus: int = 0
    ) -> None:
        """Run a toolkit's commands in a folder, each on so many GPUs (none on a CPU), reporting their progress."""

        def report() -> None:
            now = progress()
            if now is not None:
                self.report(now)

        hours = self.recipe.resources.stage_timeout_hours
        self.launcher.run(
            commands,
            folder,
            bin_folder=self.plan.toolkit.environment.bin,
            gpus=gpus if self.device == "cuda" else 0,
            extensions=self.plan.folder / ".torch_extensions",
            report=report,
            timeout_seconds=hours * 3600 if hours else None,
        )
