"""The trainings behind runs, as their folders tell: for the learning curves of ``report``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.plan.outputs import SelectOutputs
from orchestrator.plan.record import STATE, Record, read
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.page.curves import Training
from orchestrator.toolkits import registry

ON_DEV = "of the tokens right on dev"


def trainings(runs: Sequence[Run], runs_dir: Path) -> list[Training]:
    """The newest training of each job of runs whose folders are at hand; of others, nothing.

    Args:
        runs: the runs.
        runs_dir: the folder with the folders of runs.
    """
    found = []
    for run in runs:
        recipe = str(next(iter(run.rows.values()))["recipe"] or "")
        if recipe and (folder := runs_dir / recipe).is_dir() and folder.resolve().parent == runs_dir.resolve():
            found += list(_of_run(run, folder))
    return found


def _of_run(run: Run, folder: Path) -> Iterator[Training]:
    newest: dict[tuple[str, str], tuple[str, Path, Record]] = {}
    for path in folder.glob(f"*/*/{STATE}"):
        record = read(path.parent)
        if record is not None and record.state == "done" and record.attempts:
            key, began = (record.job, record.stage), record.attempts[-1].started_at
            if key not in newest or newest[key][0] < began:
                newest[key] = (began, path.parent, record)
    for (job, stage), (_, path, record) in sorted(newest.items()):
        if stage != "train":
            continue
        with contextlib.suppress(InputError):  # a toolkit that is gone since, or broken
            trainer = registry.trainer(record.toolkit)
            select = newest[(job, "select")][2].outputs_as(SelectOutputs) if (job, "select") in newest else None
            accuracy = sorted(select.accuracy_percent.items()) if select else []
            measure = select.measure if select and accuracy else ON_DEV
            if not accuracy:
                accuracy = [(step, 100 * value) for step, value in trainer.evaluations(path)]
            yield Training(run.name, job, trainer.losses(path), accuracy, measure, select.step if select else None)
