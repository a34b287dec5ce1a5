"""What a stage is likely to take: seconds and disk, from earlier runs or from what the user says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from orchestrator.plan import sizes
from orchestrator.plan.commands import PREDICTIONS, shard_predictions
from orchestrator.plan.devices import device_of, inference_processes
from orchestrator.plan.known import Known, Took, alike
from orchestrator.plan.outputs import Kind
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.plan.work import Training, rows_in, training_rows, worth
from orchestrator.recipe.recipe import Recipe

ROWS_PER_SECOND = 20_000  # converted or scored, at least: tests/benchmarks/README.md
# of a training's features: what decides how large its checkpoints are
_SIZE = ("lora", "precision", "deepspeed")


class Expected(NamedTuple):
    """What is left of a stage: wall time in seconds, and all the disk that it takes; ``None``: not known."""

    seconds: float | None
    disk_bytes: int | None


def expected(plan: Plan, job: Job, stage: Stage, known: Known, device: str | None = None) -> Expected:
    """What a stage of a plan's job is likely to take. What the recipe says (``resources.seconds_per_*``) wins.

    Of a stage that was begun, what its checkpoints or answers hold is no work any more. Looks at files alone.

    Args:
        plan: the plan.
        job: of the stage.
        stage: the one that is to run.
        known: what earlier runs took; the same for all stages.
        device: "cpu" or "cuda", where it is to run elsewhere than on this machine (`devices.intended_device`).
    """
    return _KINDS[stage.kind](_Asked(plan, job, stage, known, device or device_of(plan)))


@dataclass(frozen=True)
class _Asked:
    """A stage that is asked about."""

    plan: Plan
    job: Job
    stage: Stage
    known: Known
    device: str

    @property
    def recipe(self) -> Recipe:
        return self.job.recipe

    @cached_property
    def near(self) -> list[Took]:
        return self.nearest()

    def nearest(self, kind: str = "") -> list[Took]:
        return self.known.nearest(self.plan, self.job, self.stage, self.device, kind)

    def rows(self, split: str) -> int | None:
        return rows_in(self.job, split, self.known.counted)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _each(near: Sequence[Took]) -> float | None:
    """Seconds of a step, or of an answer of one process."""
    count = sum(one.count for one in near)
    return sum(one.work for one in near) / count if count else None


def _startup(near: Sequence[Took]) -> float:
    return _mean([one.startup for one in near]) or 0.0


def _init(asked: _Asked) -> Expected:
    size = _mean([one.disk_bytes for one in asked.near])
    by_rule = (asked.recipe.model.params_b or 0) * 1e9 * sizes.WEIGHT_BYTES["fp32"]
    corpus = (asked.rows("train") or 0) * sizes.CONVERTED_BYTES  # whose text the tokenizer learns from
    weights = round(size or by_rule)
    return Expected(_mean([one.seconds for one in asked.near]), weights + corpus if weights else None)


def _convert(asked: _Asked) -> Expected:
    rows = [asked.rows(split) for split in ("train", "dev")]
    count = sum(number or 0 for number in rows)
    size = sizes.of_rows(asked.near, count, sizes.CONVERTED_BYTES)
    return Expected(count / ROWS_PER_SECOND, None if None in rows else size)


def _train(asked: _Asked) -> Expected:
    stage, counted = asked.stage, asked.known.counted
    convert = stage.input("convert")
    rows, dev = (training_rows(asked.job, convert, split, counted) for split in ("train", "dev"))
    training = Training.of(stage.inputs)
    if rows is None and training.max_steps is None:
        return Expected(None, None)
    steps = training.steps(rows or 0)
    return Expected(_train_seconds(asked, training, steps, dev or 0), _train_bytes(asked, training, steps))


def _train_seconds(asked: _Asked, training: Training, steps: int, dev_rows: int) -> float | None:
    resources, near = asked.recipe.resources, asked.near
    share = training.batch_size / resources.processes
    each, startup = resources.seconds_per_step, _startup(near)
    if each is None and near and (rate := _each(near)):
        each = rate * share / (_mean([one.share for one in near]) or share)
    if each is None:
        return None
    left = 1.0
    if asked.stage.folder.is_dir() and (there := asked.plan.trainer.checkpoints(asked.stage.folder)):
        left = max(0.0, 1 - there[-1].step / steps) if steps else 0.0
    return startup + each * worth(training, steps, dev_rows) * left


def _train_bytes(asked: _Asked, training: Training, steps: int) -> int | None:
    most = asked.recipe.most_checkpoints
    saves = training.saves(steps)
    near = alike(asked.near, asked.stage.inputs, _SIZE)
    each = sizes.checkpoints_as_before(asked.plan.trainer, near) or sizes.checkpoints_by_rule(asked.recipe)
    return sizes.of_training(each, saves if most is None else min(saves, most)) if each else None


def _select(asked: _Asked) -> Expected:
    """The toolkit's own evaluations are there already; real answers on dev are asked of every checkpoint."""
    if asked.recipe.select.strategy != "dev_accuracy":
        return Expected(0.0, 0)
    train = asked.stage.input("train")
    rows = asked.rows("train")
    training = Training.of(train.inputs)
    if rows is None and training.max_steps is None:
        return Expected(None, None)
    saves, most = training.saves(training.steps(rows or 0)), asked.recipe.most_checkpoints
    once = _answers(asked, asked.nearest("infer"), "dev", 0)
    count = saves if most is None else min(saves, most)
    seconds = None if once.seconds is None else once.seconds * count
    return Expected(seconds, None if once.disk_bytes is None else once.disk_bytes * count)


def _infer(asked: _Asked) -> Expected:
    folder = asked.stage.folder
    answered = 0
    if folder.is_dir():
        journals = (folder / PREDICTIONS, *folder.glob(shard_predictions("*")))
        answered = sum(path.read_bytes().count(b"\n") for path in journals if path.is_file())
    return _answers(asked, asked.near, asked.recipe.inference.split, answered)


def _answers(asked: _Asked, near: Sequence[Took], split: str, answered: int) -> Expected:
    rows = asked.rows(split)
    if rows is None:
        return Expected(None, None)
    each = asked.recipe.resources.seconds_per_answer or _each(near)
    processes = inference_processes(asked.recipe, asked.device)
    seconds = None if each is None else _startup(near) + each * max(0, rows - answered) / processes
    return Expected(seconds, sizes.of_rows(near, rows, sizes.ANSWERED_BYTES))


def _merge(asked: _Asked) -> Expected:
    return Expected(_mean([one.seconds for one in asked.near]), sizes.of_merged(asked.recipe.model.params_b))


def _score(asked: _Asked) -> Expected:
    rows = asked.rows(asked.recipe.inference.split)
    return Expected((rows or 0) / ROWS_PER_SECOND, (rows or 0) * sizes.SCORED_BYTES)


_KINDS: Mapping[Kind, Callable[[_Asked], Expected]] = {
    "init": _init,
    "convert": _convert,
    "train": _train,
    "select": _select,
    "merge": _merge,
    "infer": _infer,
    "score": _score,
}
