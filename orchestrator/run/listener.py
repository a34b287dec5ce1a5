"""Who is told how a run goes: the command line shows it to people, a test keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from orchestrator.errors import OrchestratorError
from orchestrator.plan.outputs import Outputs
from orchestrator.plan.plan import Plan, Stage
from orchestrator.scores.results import ResultsRow
from orchestrator.toolkits.base import Progress


class Places(NamedTuple):
    """Where a run's results are: the CSV, the answers, and the weights that answered, each behind what it is."""

    results: Path
    answers: Path
    weights: Sequence[tuple[str, Path]] = ()


class Listener(Protocol):
    """Told of every step of a run, in order, from its main thread alone."""

    def line(self, text: str) -> None:
        """Something that a user should know."""

    def start(self, plans: Sequence[Plan]) -> None:
        """A run of these plans begins."""

    def skipped(self, count: int = 1) -> None:
        """So many stages were done by an earlier run, or by another process."""

    def begin(self, stage: Stage, place: str) -> None:
        """A stage begins; ``place`` is where: "GPU 0,3", empty on a CPU."""

    def remark(self, stage: Stage, text: str) -> None:
        """Something that a user should know of a running stage."""

    def progress(self, stage: Stage, progress: Progress) -> None:
        """A running stage is this far."""

    def waits(self, waiting: Sequence[tuple[Stage, str]]) -> None:
        """The stages that could begin now but wait, each with for what; told when that changes.

        For example "for 8 GPUs, 3 are free", or "for MELD, which process 12 on host a works on since 12:01".
        """

    def tick(self) -> None:
        """Time passes: about twice a second while anything runs."""

    def end(self, stage: Stage, seconds: float, outputs: Outputs) -> None:
        """A stage is done: how long it took, and what it says of its outputs."""

    def failed(self, stage: Stage, error: OrchestratorError) -> None:
        """A stage failed; the other jobs go on."""

    def stopped(self, stage: Stage) -> None:
        """The user stopped the run in this stage."""

    def close(self) -> None:
        """No stage runs any more."""

    def scored(self, rows: Sequence[ResultsRow]) -> None:
        """The results rows of a job's tasks stand in their file; others may follow."""

    def results(self, rows: Sequence[ResultsRow], places: Places) -> None:
        """All results rows stand in their file."""
