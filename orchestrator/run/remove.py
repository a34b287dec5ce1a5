"""Removing what a stage left: of a removal that is killed at any moment nothing remains that a run believes."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.plan.plan import Stage
from orchestrator.plan.record import STATE, Record

REMOVED = ".removed"  # the end of the name of a folder that is being removed


def remove(path: Path) -> None:
    """Remove a stage's folder, or a file; a link alone goes, and never what it leads to.

    A folder first gets another name, in one step: at its own place is all of it or nothing. Its ``stage.json`` goes
    next, which programs look for in folders of any name.

    Raises:
        OSError: the disk refuses it; what is left of the folder has the other name.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    aside = half_removed(path)
    if aside != path:
        if aside.exists():  # of a removal that was killed
            shutil.rmtree(aside)
        path.rename(aside)
    (aside / STATE).unlink(missing_ok=True)
    shutil.rmtree(aside)


def half_removed(path: Path) -> Path:
    """What a folder is called while it is being removed."""
    return path if is_half_removed(path) else path.with_name(f".{path.name}{REMOVED}")


def is_half_removed(path: Path) -> bool:
    """Whether a folder is what is left of a removal that was killed, or that the disk refused."""
    return path.name.startswith(".") and path.name.endswith(REMOVED)


def useless(stage: Stage, record: Record | None) -> str:
    """Why no use can be made of what is at a stage's place; empty where the stage can go on from it.

    Args:
        stage: as it is planned.
        record: what its folder says of itself.
    """
    if record and record.mixed:
        return "what it read was changed while it ran"
    if record and (record.stage, record.key) != (stage.kind, stage.key):
        return f"what is there says that it is {record.job}/{record.stage}-{record.key}"
    # a score is computed anew whatever is there, which says which run's scores these replace
    if stage.kind != "score" and not stage.fits(record) and stage.folder.exists():
        # also where its stage.json was lost: nothing says whose answers lie there
        return "what is there came from another training, or from other answers"
    return ""
