"""What earlier runs took: read once from a runs folder, and asked for what is most like a stage that is to run."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.machine.files import digest
from orchestrator.plan.keys import KEYS
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, TrainOutputs
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.record import STATE, Attempt, Record, read
from orchestrator.plan.times import times
from orchestrator.plan.work import Training, worth

KINDS = ("init", "convert", "train", "merge", "infer")  # whose lengths or sizes say something of others
# of a training's settings those that decide how long a step takes, and what a checkpoint holds
_STEP = ("precision", "micro_batch_size", "max_length", "lora", "extra")
_BEGUN_AT = re.compile(r"(?:^|checkpoint-)(\d+)(?: answers)?$")  # what an attempt went on from
_UNSEEN = 10  # steps that the trainers log at once: so many are done when the first is seen, where that was not kept

Needed = Callable[[str], Mapping[str, Any]]  # by kind: the inputs of a stage that is needed; empty where it is gone


class Features(NamedTuple):
    """What decides how long a stage takes.

    Attributes:
        same: must be alike: kind, toolkit, device, model, and how it is trained.
        modality: must be alike where both are known; empty where not.
        others: the fewer of them differ, the nearer.
    """

    same: tuple[Any, ...]
    modality: str
    others: Mapping[str, Any]


@dataclass(frozen=True)
class Took:
    """A stage of an earlier run that was done.

    Attributes:
        job: its job's name.
        folder: the stage's.
        features: what decided how long it took.
        seconds: wall time of all that counted.
        count: how much was timed: steps with their evaluations (`work.worth`), or answers; 0: nothing.
        work: seconds that these took, of one process.
        startup: seconds until the first of them.
        share: training samples of a step in each process.
        rows: of a conversion or of an inference.
        disk_bytes: of what is sealed of its files.
    """

    job: str
    folder: Path
    features: Features
    seconds: float
    count: float = 0.0
    work: float = 0.0
    startup: float = 0.0
    share: float = 1.0
    rows: int = 0
    disk_bytes: int = 0


@dataclass
class Known:
    """What is known for estimates. ``took``: by `Features.same`; ``counted``: the rows of files, each counted once."""

    took: Mapping[tuple[Any, ...], list[Took]]
    counted: dict[Any, int | None] = field(default_factory=dict)

    @classmethod
    def read(cls, runs_dir: Path) -> Known:
        """What the runs in a folder took; damaged ones and those of other versions tell nothing."""
        found: dict[tuple[Any, ...], list[Took]] = {}
        for job in _folders(runs_dir):
            records = {name: record for name in _names(job) if (record := read(job / name)) is not None}
            for name, record in records.items():
                if record.outputs is None or record.inputs.get("keys") != KEYS:
                    continue
                with contextlib.suppress(AttributeError, TypeError, ValueError):  # somebody edited what it was made of
                    one = _took(job / name, record, records)
                    found.setdefault(one.features.same, []).append(one)
        return cls(found)

    def nearest(self, plan: Plan, job: Job, stage: Stage, device: str, kind: str = "") -> list[Took]:
        """The earlier stages that are most like one that is to run, all of them equally; first those of its own job.

        Args:
            plan: the plan.
            job: of the stage.
            stage: the one that is to run.
            device: "cpu" or "cuda".
            kind: of the earlier ones, where that is another: a selection's answers take as long as an inference's.
        """
        if not self.took:
            return []
        toolkit = plan.part(stage.kind).environment.name

        def inputs_of(needed: str) -> Mapping[str, Any]:
            other = stage.need(needed)
            return other.inputs if other else {}

        wanted = features(kind or stage.kind, toolkit, device, stage.inputs, inputs_of)
        fitting = [one for one in self.took.get(wanted.same, ()) if _modality_fits(wanted, one.features)]
        ranked = [(_distance(wanted, one.features), one.job != job.name) for one in fitting]
        best = min(ranked, default=None)
        return [one for one, rank in zip(fitting, ranked, strict=True) if rank == best]


def features(kind: str, toolkit: str, device: str, inputs: Mapping[str, Any], needed: Needed) -> Features:
    """What of a stage's inputs, and of those that it needs, decides how long it takes."""
    source = inputs if kind != "merge" else needed("train")
    init = inputs.get("init") if kind == "init" else needed("init").get("init")
    weights = {name: value for name, value in (source.get("weights") or {}).items() if name != "revision"}
    model = digest([weights, source.get("model"), init])
    modality = inputs.get("modality") or needed("convert").get("modality") or ""
    if kind == "convert":  # the same files, whatever the model
        return Features((kind, toolkit), modality, {})
    finetuning = (source.get("train") or {}).get("finetuning")
    return Features((kind, toolkit, device, model, finetuning), modality, _others(inputs))


def alike(near: Iterable[Took], inputs: Mapping[str, Any], names: Iterable[str]) -> list[Took]:
    """Those of which some of the other features are as a stage's inputs have them."""
    wanted = _others(inputs)
    return [one for one in near if all(one.features.others.get(name) == wanted.get(name) for name in names)]


def _others(inputs: Mapping[str, Any]) -> dict[str, Any]:
    train = inputs.get("train") or {}
    found: dict[str, Any] = {name: train.get(name) for name in _STEP}
    found |= {"video": inputs.get("video"), "deepspeed": inputs.get("deepspeed")}
    found["trained"] = "train" in (inputs.get("needs") or {})
    return found | (inputs.get("inference") or {})


def _modality_fits(wanted: Features, found: Features) -> bool:
    return wanted.modality == found.modality or not (wanted.modality and found.modality)


def _distance(wanted: Features, found: Features) -> int:
    """How many of the features differ."""
    names = wanted.others.keys() | found.others.keys()
    return len([name for name in names if wanted.others.get(name) != found.others.get(name)])


def _took(folder: Path, record: Record, records: Mapping[str, Record]) -> Took:
    needs = record.inputs.get("needs") or {}

    def other(kind: str) -> Record | None:
        return records.get(f"{kind}-{needs.get(kind)}")

    def inputs_of(kind: str) -> Mapping[str, Any]:
        found = other(kind)
        return found.inputs if found else {}

    described = features(record.stage, record.toolkit, record.device, record.inputs, inputs_of)
    spent = times(record.attempts)
    size = sum(seal.bytes for seal in record.files.values())
    base = Took(folder.parent.name, folder, described, spent.work + spent.startup, disk_bytes=size)
    outputs = record.outputs
    if isinstance(outputs, ConvertOutputs):
        return replace(base, rows=sum(outputs.rows.values()))
    if isinstance(outputs, InferOutputs):
        count, work, startup = _timed(record.attempts, outputs.requests)
        each = work * outputs.processes
        return replace(base, count=count, work=each, startup=startup, rows=outputs.requests)
    if isinstance(outputs, TrainOutputs) and outputs.steps:
        count, work, startup = _timed(record.attempts, outputs.steps, _UNSEEN)
        converted = other("convert")
        rows = converted.outputs.rows if converted and isinstance(converted.outputs, ConvertOutputs) else {}
        training = Training.of(record.inputs)
        evaluated = worth(training, outputs.steps, rows.get("dev", 0)) / outputs.steps
        share = training.batch_size / max(1, record.processes)
        return replace(base, count=count * evaluated, work=work, startup=startup, share=share)
    return base


def _timed(attempts: list[Attempt], total: int, unseen: int = 0) -> tuple[int, float, float]:
    """How many steps or answers of the last attempt were timed, the seconds that they took, and those before them.

    The last attempt alone is looked at: what one before it did behind its last checkpoint was done again. Where it
    did too little to tell, all of them are.
    """
    last = attempts[-1] if attempts else None
    if last is None or not last.seconds:
        return 0, 0.0, 0.0
    went_on = _BEGUN_AT.search(last.resumed_from or "")
    begun = int(went_on[1]) if went_on else total if last.resumed_from else 0
    if begun and (last.startup_seconds is None or total - begun < total / 4):
        spent = times(attempts)
        return total, spent.work, spent.startup / len(attempts)
    startup, unseen = last.startup_seconds or 0.0, unseen if last.startup_done is None else last.startup_done
    count = total - begun - (unseen if last.startup_seconds else 0)
    if count < total / 4:  # nearly all was done when the first was seen: the whole says more
        return total - begun, last.seconds, 0.0
    work = last.seconds - startup
    return count, work, max(0.0, startup - unseen * work / count)


def _folders(runs_dir: Path) -> Iterator[Path]:
    for run in _entries(runs_dir):
        yield from _entries(run)


def _entries(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []


def _names(job: Path) -> list[str]:
    found = [folder.name for folder in _entries(job) if folder.name.partition("-")[0] in KINDS]
    return [name for name in found if (job / name / STATE).exists()]
