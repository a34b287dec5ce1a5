"""Whether a Slurm job gets anywhere: one that is begun again and again without any progress is not worth its GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.launch.slurm.submitted import FOLDER
from orchestrator.machine.files import read_json, write_json
from orchestrator.plan.record import STATE, read
from orchestrator.toolkits.hf_output import steps_saved


def how_far(job: Path) -> dict[str, int]:
    """What is on disk of a job's work, as numbers that grow while it gets on.

    Args:
        job: its folder, ``runs/<recipe>/<job>``.

    Returns:
        For each stage whether it is done, its last whole checkpoint's step, and its answers.
    """
    found = {}
    for folder in sorted(path.parent for path in job.glob(f"*/{STATE}")):
        record = read(folder)
        found[f"{folder.name} done"] = int(record is not None and record.state == "done")
        found[f"{folder.name} steps"] = max(steps_saved(folder), default=0)
        found[f"{folder.name} answers"] = sum(_lines(path) for path in folder.rglob("predictions*.jsonl"))
    return found


def further(now: Mapping[str, int], before: Mapping[str, int]) -> bool:
    """Whether anything has grown."""
    return any(count > before.get(name, 0) for name, count in now.items())


@dataclass(frozen=True)
class Headway:
    """How a Slurm job began this time.

    Attributes:
        job: Slurm's number of it: another submission counts from 0.
        vain: how many times in a row it was begun again with nothing more done than the time before.
        done: how far the work was, see `how_far`.
    """

    job: str
    vain: int
    done: Mapping[str, int]

    @classmethod
    def begun(cls, folder: Path, job: str) -> Headway:
        """Note that a Slurm job begins, and how far its work is; kept in the run's folder for Slurm.

        Args:
            folder: of the work, ``runs/<recipe>/<job>``.
            job: Slurm's number.

        Raises:
            OSError: it cannot be written.
        """
        file = folder.parent / FOLDER / f"{folder.name}.starts.json"
        before, now = read_json(file), how_far(folder)
        again = isinstance(before, dict) and before.get("job") == job and isinstance(before.get("done"), dict)
        vain = before["vain"] + 1 if again and not further(now, before["done"]) else 0
        found = cls(job, vain, now)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, asdict(found))
        return found


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
