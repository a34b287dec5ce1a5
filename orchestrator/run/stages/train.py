"""Training."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from orchestrator.errors import StageError
from orchestrator.machine.files import write_json
from orchestrator.machine.logs import LOG
from orchestrator.plan import commands
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import STATE, outputs_in, state_in
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.convert import convert, video_folder
from orchestrator.toolkits.base import Toolkit


def train(context: Context, stage: Stage) -> dict[str, Any]:
    """Train; goes on from the newest complete checkpoint, and believes no exit status without the outputs.

    Raises:
        StageError: the process failed, or ended well without the outputs.
    """
    toolkit = context.plan.toolkit
    converted = stage.input("convert")
    outputs = outputs_in(converted.folder)
    rows = outputs["rows"]["train"]
    log = stage.folder / LOG
    if log.exists() and not toolkit.train_problems(stage.folder, log.read_text("utf-8", "replace"), rows):
        # it was stopped between its last step and its exit
        _forget(stage)
        return {"steps": _steps(toolkit, stage.folder), "resumed_from": "its last step"}
    if outputs.get("videos") != video_folder(context.recipe):
        # the data moved since it was converted: its files name the videos where they were
        state = state_in(converted.folder)
        write_json(converted.folder / STATE, state | {"outputs": convert(context, converted)})
    resume = toolkit.resumable(stage.folder)
    command = commands.train_command(context.plan, stage, context.device, resume)
    before = log.stat().st_size if log.exists() else 0
    gpus = context.recipe.resources.processes
    context.launch([command], stage.folder, lambda: toolkit.train_progress(stage.folder), gpus)
    with log.open("rb") as file:
        file.seek(before)
        problems = toolkit.train_problems(stage.folder, file.read().decode("utf-8", "replace"), rows)
    if problems:
        what = "\n".join(f"    - {problem}" for problem in problems)
        raise StageError(f"training ended with status 0, but:\n{what}\n    whole log: {log}")
    _forget(stage)
    return {"steps": _steps(toolkit, stage.folder), "resumed_from": resume}


def _forget(trained: Stage) -> None:
    """Remove what was made from an earlier training of the same key, whose folder is gone: it was another model.

    Whatever settings it was made with: told by the keys in each ``stage.json``, and by when its work began.
    """
    begun = state_in(trained.folder)["attempts"][0]["started_at"]
    for folder in trained.folder.parent.iterdir():
        state = state_in(folder)
        # every stage behind a training names it among its needs
        needs = state.get("inputs", {}).get("needs", {}).values()
        if trained.key in needs and any(attempt["started_at"] < begun for attempt in state["attempts"]):
            shutil.rmtree(folder, ignore_errors=True)


def _steps(toolkit: Toolkit, folder: Path) -> int:
    progress = toolkit.train_progress(folder)
    return progress.done if progress else toolkit.checkpoints(folder)[-1].step
