"""Where the newest log of a job is: a stage's, or the output of its Slurm job."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.launch.slurm.submitted import FOLDER, read_submitted
from orchestrator.machine.leases import owner_of
from orchestrator.machine.logs import LOG
from orchestrator.plan.record import STATE, Record, read


@dataclass(frozen=True)
class JobPlace:
    """A job of a run on disk.

    Attributes:
        run: the run's folder.
        name: the job's.
        number: Slurm's number of its last submission; empty where it was never submitted.
        output: the log of that; ``None`` likewise.
    """

    run: Path
    name: str
    number: str = ""
    output: Path | None = None

    @property
    def runs(self) -> bool:
        """Whether somebody works on it now."""
        return owner_of(self.run / self.name) is not None

    def log(self, stage: str = "") -> Path | None:
        """The log of the stage that runs; else the newest one. ``None`` where there is none.

        Args:
            stage: only of this kind of stage.
        """
        stages = dict(self._stages(stage))
        logs = [folder / LOG for folder in stages if (folder / LOG).exists()]
        if self.runs:
            now = [path for path in logs if stages[path.parent].state == "running"]
            if now or self.output is None:
                return max(now or logs, key=_changed, default=None)
        if self.output and not stage and self.output.exists():
            logs.append(self.output)
        return max(logs, key=_changed, default=None)

    @property
    def over(self) -> bool:
        """Whether its answers are scored, or the stage that was begun last failed or was stopped."""
        records = (record for _, record in self._stages() if record.attempts)
        last = max(records, key=lambda record: record.attempts[-1].started_at, default=None)
        if last is None:
            return False
        return last.state in ("failed", "interrupted") or (last.state, last.stage) == ("done", "score")

    def _stages(self, kind: str = "") -> Iterator[tuple[Path, Record]]:
        for path in (self.run / self.name).glob(f"*/{STATE}"):
            record = read(path.parent)
            if record and kind in ("", record.stage):
                yield path.parent, record


def _changed(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def places_of(runs: Mapping[str, Path]) -> list[JobPlace]:
    """The jobs of runs that have begun or were submitted.

    Args:
        runs: the folders, by name.
    """
    found = []
    for folder in runs.values():
        submitted = read_submitted(folder)
        begun = {path.parent.parent.name for path in folder.glob(f"*/*/{STATE}")}
        begun |= {path.name for path in folder.glob("*/") if owner_of(path)}
        for name in sorted(begun | submitted.keys()):
            entry = submitted.get(name)
            output = folder / FOLDER / entry.log if entry else None
            found.append(JobPlace(folder, name, entry.id if entry else "", output))
    return found
