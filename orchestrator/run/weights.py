"""Where the weights are that answered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.plan.outputs import SelectOutputs
from orchestrator.plan.plan import Job
from orchestrator.plan.record import read
from orchestrator.run.rows import Scored


def weights_of(found: Sequence[Scored]) -> list[tuple[str, Path]]:
    """Folders to load, each behind what it is, "adapter" (for peft) or "model", and of several of which job.

    Those of a training whose folder was removed to free the disk are left out.
    """
    chosen = list(_chosen(found))
    several = [len({parts[at] for parts, _ in chosen}) > 1 for at in range(3)]
    return [(_name(parts, several), folder) for parts, folder in chosen]


def _name(parts: tuple[str, str, str], several: Sequence[bool]) -> str:
    what, recipe, job = parts
    of = " ".join([recipe] * several[1] + [job] * several[2])
    return f"{what} of {of}" if of else what


def _chosen(found: Sequence[Scored]) -> Iterator[tuple[tuple[str, str, str], Path]]:
    for recipe, job in dict.fromkeys((one.plan.recipe.name, one.job) for one in found):
        folder = _checkpoint(job)
        if folder and folder.is_dir():
            what = "model" if job.recipe.training.finetuning == "full" else "adapter"
            yield (what, recipe, job.name), folder


def _checkpoint(job: Job) -> Path | None:
    select = next((stage for stage in job.stages if stage.kind == "select"), None)
    record = read(select.folder) if select else None
    outputs = record.outputs_as(SelectOutputs) if record else None
    return Path(os.path.normpath(select.folder / outputs.path)) if select and outputs else None
