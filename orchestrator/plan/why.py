"""Why a stage is done again that was done before: another value, or keys that mean other things by now."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import listed
from orchestrator.plan.differences import differences
from orchestrator.plan.keys import KEYS, key_of
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.record import STATE, read

MOST_NAMED = 3  # jobs that one line names


@dataclass(frozen=True)
class Again:
    """A stage that is to run, and what was made before in its place.

    Attributes:
        stage: the one that is to run.
        folder: of the newest one of its kind in its job, with another key.
        finished: whether that one was finished.
        version: "an earlier version" where that made it, so that the keys cannot be compared; else empty.
        reasons: what differs, in words: "train.learning_rate 0.0001 -> 5e-05", "because train is done again".
    """

    stage: Stage
    folder: Path
    finished: bool
    version: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Made:
    """What a stage's folder says of a stage that was begun there."""

    folder: Path
    finished: bool
    began: str
    key: str
    inputs: Mapping[str, Any]


def _made(folder: Path) -> _Made | None:
    record = read(folder)
    if record is None:
        return None
    began = record.attempts[-1].started_at if record.attempts else ""
    return _Made(folder, record.state in ("done", "reopened"), began, record.key, record.inputs)


def version_of(inputs: Mapping[str, Any]) -> str:
    """Which version made a stage, by what its key is of, where keys mean other things now; else empty."""
    number = inputs.get("keys", 1)  # before there were numbers: 1
    if number == KEYS:
        return ""
    return "a later version" if isinstance(number, int) and number > KEYS else "an earlier version"


def again(job: Job, todo: Collection[Stage] | None = None) -> list[Again]:
    """The stages of a job that are to run though there is one of their kind, with another key.

    ``todo``: what the job is to run, where that is known already.
    """
    todo = job.todo() if todo is None else todo
    found: list[Again] = []
    derived: set[str] = set()  # kinds that differ by what they need alone
    for stage in job.stages:
        if stage not in todo or _was_done(stage, job) or not (before := _before(stage)):
            continue
        reasons: list[str] = []
        version, then = version_of(before.inputs), before.inputs
        if not version and key_of(then) != before.key:
            reasons = ["what it was made of is not known: its stage.json was edited"]
        elif not version:
            reasons = differences(then, json.loads(json.dumps(stage.inputs)))  # as it is in a file: lists, no tuples
            others = [need for need in job.stages if need in stage.needs and then["needs"].get(need.kind) != need.key]
            if others and not reasons:
                derived.add(stage.kind)
            reasons += _because([need for need in others if need.kind not in derived] or others, todo)
        found.append(Again(stage, before.folder, before.finished, version, tuple(reasons)))
    return found


def _was_done(stage: Stage, job: Job) -> bool:
    """Whether it is done again for other reasons than its key: it, or what was made from it, is or was there."""
    own = _made(stage.folder)
    return bool(own and own.finished) or any(stage in other.needs and _made(other.folder) for other in job.stages)


def _because(needs: Sequence[Stage], todo: Collection[Stage]) -> Iterator[str]:
    for what, kinds in (
        ("done again", [need.kind for need in needs if need in todo]),
        ("another", [need.kind for need in needs if need not in todo]),
    ):
        if kinds:
            yield f"because {' and '.join(kinds)} {'is' if len(kinds) == 1 else 'are'} {what}"


def _before(stage: Stage) -> _Made | None:
    """The newest stage of a kind that was made with another key; a finished one first.

    Of those that were not finished, a training counts, whose checkpoints are hours of work.
    """
    folders = (file.parent for file in stage.folder.parent.glob(f"{stage.kind}-*/{STATE}"))
    made = [one for folder in folders if folder != stage.folder and (one := _made(folder))]
    found = [one for one in made if one.finished or stage.kind == "train"]
    return max(found, key=lambda one: (one.finished, one.began), default=None)


def notes(plan: Plan) -> list[str]:
    """What is to be said before a plan is run: what was trained, or made by an earlier version, and is done again."""
    found = version_notes(plan)
    alike: dict[tuple[Any, ...], list[Again]] = {}
    for stage, job in _longest(plan):
        for one in again(job):
            if one.stage is stage and stage.kind == "train" and not one.version:
                alike.setdefault((one.finished, *one.reasons), []).append(one)
    for (finished, *reasons), those in alike.items():
        several = len(those) > 1
        how = (
            f"{'are' if several else 'is'} trained again"
            if finished
            else f"begin{'' if several else 's'} to train anew"
        )
        found.append(f"{plan.recipe.name} {_jobs(those)} {how}: {'; '.join(reasons)} ({_stays(those)})")
    return found


def version_notes(plan: Plan) -> list[str]:
    """What is to be said of jobs that earlier versions made, and that this one has not begun to do again.

    It is said once of a recipe; of a job's stages the one that takes longest is named.
    """
    alike: dict[tuple[str, str], list[Again]] = {}
    for stage, job in _longest(plan):
        todo = job.todo()
        made = {one.stage.kind: one for one in again(job, todo) if one.version}
        if stage in todo and made:
            one = made.get(stage.kind) or made.get("infer") or next(iter(made.values()))
            alike.setdefault((one.version, stage.kind), []).append(one)
    return [
        f"{plan.recipe.name} {_jobs(those)}: made by {version}: its keys mean other things; `{kind}` is done again "
        f"({_stays(those)})"
        for (version, kind), those in alike.items()
    ]


def _longest(plan: Plan) -> Iterator[tuple[Stage, Job]]:
    """Of each job the stage that takes longest, the training or the answers, where it has one that was not begun."""
    for job in plan.jobs if plan.folder.is_dir() else ():
        stages = {stage.kind: stage for stage in job.stages}
        stage = stages.get("train") or stages.get("infer")
        if stage and not stage.folder.is_dir():
            yield stage, job


def _stays(found: Sequence[Again]) -> str:
    folder = found[0].folder
    if len(found) == 1:
        return f"its folder stays: {folder}"
    return f"their folders stay: {folder.parent.parent}/*/{found[0].stage.kind}-*"


def _jobs(found: Sequence[Again]) -> str:
    return listed([one.stage.job for one in found], MOST_NAMED)
