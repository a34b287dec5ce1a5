"""What of a job's folder nobody needs any more. It only looks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.plan.commands import PREDICTIONS
from orchestrator.plan.differences import differences
from orchestrator.plan.keys import key_of
from orchestrator.plan.outputs import OUTPUTS, InferOutputs
from orchestrator.plan.plan import Stage
from orchestrator.plan.record import Record, is_done, read
from orchestrator.plan.why import version_of
from orchestrator.run.at_hand import Wanted
from orchestrator.run.entries import SCORES
from orchestrator.run.remove import is_half_removed, useless

NOT_BEGUN = "no recipe leads there, but nothing was begun in its place yet"
READ = "its scores are done, but the recipe that was run last, or something that was begun, still needs it"
NOT_SCORED = "no recipe leads there, but its answers were never scored"
_STAGE = re.compile(rf"({'|'.join(OUTPUTS)})-\w+")
_FINISHED = ("done", "reopened")


@dataclass(frozen=True)
class Leftover:
    """Something that can be removed.

    Attributes:
        job: the folder of the job that it is of.
        path: a stage's folder, or a file in one.
        why: why nobody needs it, in words.
        bytes: what it takes of the disk.
        weights: it is a training whose scores are done: only its weights are lost with it.
    """

    job: Path
    path: Path
    why: str
    bytes: int
    weights: bool = False


@dataclass(frozen=True)
class Stays:
    """A stage's folder that no recipe leads to and that is left alone all the same; ``why``, and its size."""

    path: Path
    why: str
    bytes: int


def in_job(folder: Path, jobs: Sequence[Wanted]) -> Iterator[Leftover | Stays]:
    """What of a job's folder nobody needs any more, and what of it no recipe leads to and stays.

    Scores stay always, with their tables of all answers. Another stage that no recipe leads to goes where one of its
    kind that a recipe does lead to was begun in its place: until then it is all there is, and the recipe, the data or
    the programs may be others for a moment only.

    Args:
        folder: the job's.
        jobs: as the recipes at hand have it.
    """
    planned = {stage.folder.name: stage for one in jobs for stage in one.job.stages}
    begun = [stage for stage in planned.values() if read(stage.folder)]
    there = sorted(path for path in folder.iterdir() if path.is_dir() and _STAGE.fullmatch(path.name))
    made = {path: read(path) for path in there}
    scores = [one for path, one in made.items() if one and one.stage == "score" and is_done(path, one)]
    for path in folder.iterdir():
        if is_half_removed(path):
            yield Leftover(folder, path, "its removal was not finished", bytes_of(path))
    for path, record in made.items():
        stage = planned.get(path.name)
        found: Leftover | Stays | None
        if stage:
            why = useless(stage, record)
            found = Leftover(folder, path, why, bytes_of(path)) if why else None
        else:
            kind = path.name.partition("-")[0]
            found = _other(path, record, [one for one in begun if one.kind == kind], scores)
        if not isinstance(found, Leftover) and record:
            weights = _weights(path, record, scores, list(made.values()), wanted=stage is not None)
            found = (
                Stays(path, READ, weights.bytes) if weights and stage and _is_read(stage, jobs) else weights or found
            )
        if found and path.is_symlink():
            yield Stays(path, f"it is a link to {path.readlink()}", 0)
        elif found:
            yield found
        if not isinstance(found, Leftover) and not path.is_symlink():
            yield from _litter(path, record)


def _other(path: Path, record: Record | None, begun: Sequence[Stage], scores: Sequence[Record]) -> Leftover | Stays:
    """Of a folder that no recipe leads to; ``begun``: the stages of its kind that were begun in its place."""
    if path.name.startswith("score-") and (record is None or record.state in _FINISHED or (path / SCORES).exists()):
        return Stays(path, "", bytes_of(path))
    if not begun:
        return Stays(path, NOT_BEGUN, bytes_of(path))
    answered = record and record.stage == "infer" and record.state in _FINISHED
    if record and answered and not any(score.made_from.get("infer") == record.id for score in scores):
        return Stays(path, NOT_SCORED, bytes_of(path))
    reasons = min((_differs(path.parent, record, stage) for stage in begun), key=lambda found: len(found))
    why = "; ".join(reasons) or "made from other stages"
    finished = record and record.stage == "train" and record.state in _FINISHED
    return Leftover(path.parent, path, f"a finished training; {why}" if finished else why, bytes_of(path))


def _differs(job: Path, record: Record | None, now: Stage) -> list[str]:
    """In what a stage, and what it was made from, differs from the one in its place, in words."""
    if record is None:
        return ["its stage.json is lost or damaged"]
    then = record.inputs
    if version := version_of(then):
        return [f"made by {version}"]
    if key_of(then) != record.key:
        return ["what it was made of is not known: its stage.json was edited"]
    found = differences(then, json.loads(json.dumps(now.inputs)))  # as it is in a file: lists, no tuples
    for need in now.needs:
        key = then["needs"].get(need.kind)
        if key != need.key and (other := read(job / f"{need.kind}-{key}")):
            found += _differs(job, other, need)
    return list(dict.fromkeys(found))


def _is_read(stage: Stage, jobs: Sequence[Wanted]) -> bool:
    """Whether something that was begun, or that the run's own recipe asks for, is not done and reads a stage."""
    return any(
        stage in other.needs
        and other.kind != "score"
        and (other.folder.exists() or (one.kept and other.kind != "merge"))
        and not other.done
        for one in jobs
        for other in one.job.stages
    )


def _weights(
    path: Path, record: Record, scores: Sequence[Record], made: Sequence[Record | None], *, wanted: bool
) -> Leftover | None:
    """A finished training whose scores are done; ``wanted``: a recipe leads to it."""
    if record.stage != "train" or record.state != "done" or not record.id:
        return None
    scored = [score for score in scores if score.made_from.get("train") == record.id]
    if not scored:
        return None
    answered = {score.made_from.get("infer") for score in scored}
    inferred = [one.outputs_as(InferOutputs) for one in made if one and one.stage == "infer" and one.id in answered]
    why = "its scores are done" if wanted else "its scores are done, and no recipe leads to it any more"
    if errors := sum(one.errors for one in inferred if one):
        why += f"; {errors:,} of its answers ended in an error, which could not be asked again"
    return Leftover(path.parent, path, why, bytes_of(path), weights=True)


def _litter(folder: Path, record: Record | None) -> Iterator[Leftover]:
    """Files in a stage's folder that killed runs, or mended ones, left there."""
    for pattern in (".*.tmp", "checkpoint-*/.*.tmp"):
        for path in sorted(folder.glob(pattern)):
            yield Leftover(folder.parent, path, "half a file of a run that was killed", bytes_of(path))
    edited = folder / f"{PREDICTIONS}.edited"
    if edited.is_file() and record and record.state == "done":
        yield Leftover(folder.parent, edited, "answers that were edited, and asked again since", bytes_of(edited))


def bytes_of(path: Path) -> int:
    """What a file, or all below a folder, takes of the disk; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return _blocks(path)
    return sum(_blocks(Path(folder) / name) for folder, names, files in os.walk(path) for name in (*names, *files))


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0
