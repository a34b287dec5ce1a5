"""What the folders of runs tell ``report``: how trainings went, and the commands that were run."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.plan.outputs import SelectOutputs
from orchestrator.plan.record import STATE, Record, read
from orchestrator.scores.compare.runs import Run
from orchestrator.scores.page.curves import Training
from orchestrator.toolkits import registry

ON_DEV = "of the tokens right on dev"


Newest = Mapping[tuple[str, str], tuple[str, Path, Record]]  # by job and kind of stage: start, folder, record


def told(runs: Sequence[Run], runs_dir: Path) -> tuple[list[Training], dict[str, list[tuple[str, str]]]]:
    """What the folders of runs tell, of the newest stages that are done; of runs without a folder, nothing.

    Args:
        runs: the runs.
        runs_dir: the folder with the folders of runs.

    Returns:
        The trainings; and by run the commands, each with its job and stage.
    """
    found, commands = [], {}
    for run in runs:
        recipe = str(next(iter(run.rows.values()))["recipe"] or "")
        # a name alone leads nowhere else, unless the owner made a link of it
        if recipe == Path(recipe).name != ".." and (folder := runs_dir / recipe).is_dir():
            newest = _newest(folder)
            found += list(_trainings(run, newest))
            if lines := [(f"{job}/{stage}", shlex.join(record.argv)) for (job, stage), (_, _, record) in newest.items()
                         if record.argv]:  # fmt: skip
                commands[run.name] = lines
    return found, commands


def _newest(folder: Path) -> Newest:
    newest: dict[tuple[str, str], tuple[str, Path, Record]] = {}
    for path in sorted(folder.glob(f"*/*/{STATE}")):
        record = read(path.parent)
        if record is not None and record.state == "done" and record.attempts:
            key, began = (record.job, record.stage), record.attempts[-1].started_at
            if key not in newest or newest[key][0] < began:
                newest[key] = (began, path.parent, record)
    return dict(sorted(newest.items(), key=lambda one: (one[0][0], one[1][0])))


def _trainings(run: Run, newest: Newest) -> Iterator[Training]:
    for (job, stage), (_, path, record) in newest.items():
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
