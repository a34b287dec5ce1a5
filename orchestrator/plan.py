"""From a recipe to jobs and their stages: reads files, writes nothing, starts nothing.

A stage's key is a hash of everything that can change its output and of nothing else; a stage that needs another
takes the other's key into its own, so a change runs again exactly what depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator import answers, data, identity, metrics, toolkits
from orchestrator.benchmark import Task, tasks
from orchestrator.data_forms import ALIASES, Columns
from orchestrator.examples import asked, corpus_split
from orchestrator.leaks import HELD_OUT
from orchestrator.recipe import Recipe
from orchestrator.store import is_done, key_of, source_digest
from orchestrator.toolkits._released import VERSION as LAYOUT_VERSION
from orchestrator.toolkits.base import Toolkit

# raised when the same inputs give other training files
CONVERSION_VERSION = 2
TRAIN_SPLITS = ("train", "dev")
# stages whose outputs only other stages read, and that take room
LARGE = ("init", "convert", "train")


@dataclass(frozen=True)
class Stage:
    """One step of a job. `inputs` is what its key is the hash of; `needs` are the stages it reads from."""

    kind: str
    job: str
    folder: Path
    key: str
    inputs: Mapping[str, Any] = field(hash=False)
    needs: tuple[Stage, ...] = ()

    @property
    def name(self) -> str:
        """``<job>/<kind>``, as shown to the user."""
        return f"{self.job}/{self.kind}"

    @property
    def done(self) -> bool:
        """Whether its outputs are on disk, complete."""
        return is_done(self.folder)

    def need(self, kind: str) -> Stage | None:
        """The needed stage of a kind, if it needs one."""
        return next((stage for stage in self.needs if stage.kind == kind), None)


@dataclass(frozen=True)
class Job:
    """What leads to one checkpoint and its scores on the job's tasks. ``recipe`` is the plan's as this job runs it."""

    name: str
    tasks: tuple[Task, ...]
    stages: tuple[Stage, ...]
    recipe: Recipe = field(hash=False)

    @cached_property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.todo()

    def todo(self) -> list[Stage]:
        """The stages that are to run, by what is on disk now: those that are not done, and what follows from that.

        A training whose folder was removed to free the disk is done again only if something that is to run reads its
        weights. What was made from old weights or old answers is made again with them.
        """
        wanted = {stage for stage in self.stages if stage.kind not in LARGE and not stage.done}
        for stage in reversed(self.stages):
            # scores are made from the answers alone
            readers = (other for other in wanted if other.kind != "score" and stage in other.needs)
            if stage.kind in LARGE and not stage.done and any(readers):
                wanted.add(stage)
        again = {stage for stage in wanted if stage.kind in ("train", "infer")}
        return [stage for stage in self.stages if stage in wanted or again & set(stage.needs)]

    def stage(self, kind: str) -> Stage:
        """The stage of a kind that the job is known to have."""
        return next(stage for stage in self.stages if stage.kind == kind)


@dataclass(frozen=True)
class Plan:
    """A recipe and the jobs it comes to."""

    recipe: Recipe
    jobs: tuple[Job, ...]
    folder: Path
    merge: bool = False

    @property
    def toolkit(self) -> Toolkit:
        """The toolkit that the recipe's model lives in."""
        return toolkits.get(self.recipe.model.toolkit)

    def recipe_of(self, stage: Stage) -> Recipe:
        """The recipe as the stage's job runs it: under sft with the task's own training settings."""
        return next(job.recipe for job in self.jobs if job.name == stage.job)

    @property
    def stages(self) -> Iterator[Stage]:
        """All stages, in the order in which they run."""
        for job in self.jobs:
            yield from job.stages


def make_plan(
    recipe: Recipe, runs_dir: Path, *, merge: bool = False, seen: dict[str, str | None] | None = None
) -> Plan:
    """The jobs and stages of a recipe: zero_shot and it are one job, sft is one job per task.

    Args:
        recipe: the resolved recipe.
        runs_dir: where stage folders go: ``<runs_dir>/<recipe>/<job>/<stage>-<key>``.
        merge: also write merged weights after selection (LoRA only).
        seen: pass the same dictionary for several recipes over the same videos, to look at these once.

    Raises:
        InputError: the toolkit or the prompt template does not exist.
    """
    folder = runs_dir / recipe.name
    known = tasks()
    chosen = tuple(known[name] for name in recipe.tasks)
    groups = [(task.name, (task,)) for task in chosen] if recipe.method == "sft" else [(recipe.method, chosen)]
    seen = {} if seen is None else seen
    jobs = tuple(_Builder(_own(recipe, name), folder, merge, seen).job(name, group) for name, group in groups)
    return Plan(recipe, jobs, folder, merge)


def _own(recipe: Recipe, job: str) -> Recipe:
    """The recipe as a job runs it: without the other tasks' rows, so that these are no part of its stages' keys."""
    if recipe.train is None or not recipe.train.per_task:
        return recipe
    return recipe.model_copy(update={"train": recipe.train_for(job)})


def _columns(task: Task, columns: Columns) -> Columns:
    """What ``data.columns`` says of a task's files."""
    if not isinstance(columns, Mapping):
        return columns
    found = {name: columns.get(f"{task.name}.{name}", columns.get(name)) for name in ALIASES}
    return {name: column for name, column in found.items() if column is not None} or None


@dataclass(frozen=True)
class _Builder:
    recipe: Recipe
    folder: Path
    merge: bool
    seen: dict[str, str | None]

    @cached_property
    def toolkit(self) -> Toolkit:
        return toolkits.get(self.recipe.model.toolkit)

    def job(self, name: str, group: tuple[Task, ...]) -> Job:
        recipe = self.recipe
        stages: list[Stage] = []

        def add(kind: str, inputs: Mapping[str, Any], *needs: Stage | None) -> Stage:
            needed = tuple(stage for stage in needs if stage is not None)
            everything = {"stage": kind, **inputs, "needs": {stage.kind: stage.key for stage in needed}}
            key = key_of(everything)
            stage = Stage(kind, name, self.folder / name / f"{kind}-{key}", key, everything, needed)
            stages.append(stage)
            return stage

        init = add("init", self._init(group)) if recipe.model.init else None
        selected = None
        if recipe.train is not None:
            convert = add("convert", self._convert(group))
            train = add("train", self._train(), convert, init)
            selected = add("select", self._select(group), train, init)
            if self.merge and recipe.train.finetuning == "lora":
                add("merge", {"toolkit": self.toolkit.environment.lock_digest}, selected, train, init)
        infer = add("infer", self._infer(group), selected, init, train if recipe.train else None)
        add("score", self._score(group), infer, selected, train if recipe.train else None)
        return Job(name, group, tuple(stages), recipe)

    # what each stage's output depends on

    def _files(self, group: tuple[Task, ...], *splits: str, videos: bool = True) -> list[dict[str, Any]]:
        root = Path(self.recipe.data.root)
        found = []
        for task in group:
            entry: dict[str, Any] = {"task": task.name, "word": task.word, "labels": task.labels}
            entry["columns"] = _columns(task, self.recipe.data.columns)
            for split in splits:
                path = data.split_file(task, split, root)
                if videos and self.recipe.modality == "video":
                    entry["on_bad_video"] = self.recipe.data.on_bad_video
                entry[split] = data.file_digest(path) if path else None
                if path and videos and self.recipe.modality == "video":
                    entry[f"{split}_videos"] = identity.of_videos(task, split, self.recipe, self.seen)
            found.append(entry)
        return found

    def _init(self, group: tuple[Task, ...]) -> dict[str, Any]:
        init = self.recipe.model.init
        assert init is not None
        return {
            "config": init.config,
            "vocab_size": init.vocab_size,
            "seed": self.recipe.seed,
            "corpus": [self._files((task,), corpus_split(self.recipe, task), videos=False) for task in group],
            "limit": self.recipe.data.limit,
            **asked(self.recipe, group, ("train",), training=True),
            "toolkit": self.toolkit.environment.lock_digest,
            "runner": source_digest(*self.toolkit.runner_sources("init")),
        }

    def _convert(self, group: tuple[Task, ...]) -> dict[str, Any]:
        return {
            "version": CONVERSION_VERSION,
            "toolkit": self.toolkit.name,
            "data": self._files(group, *TRAIN_SPLITS),
            "limit": self.recipe.data.limit,
            "exclude_leaks": self._files(group, *HELD_OUT, videos=False) if self.recipe.it.exclude_leaks else None,
            # only mixing several tasks uses the seed
            "seed": self.recipe.seed if len(group) > 1 else None,
            **({"layout": LAYOUT_VERSION} if self.recipe.released else {}),
            **asked(self.recipe, group, TRAIN_SPLITS, training=True),
        }

    def _model(self) -> dict[str, Any]:
        model = self.recipe.model
        return {
            "model": identity.of_model(model),
            "template": model.template,
            "trust_remote_code": model.trust_remote_code,
            "attention": model.attention,
            "video": self.recipe.video.model_dump(exclude_none=True) if self.recipe.modality == "video" else None,
            "toolkit": self.toolkit.environment.lock_digest,
            "env": self.recipe.resources.decisive_env,
        }

    def _train(self) -> dict[str, Any]:
        train = self.recipe.train
        assert train is not None
        selection = self.recipe.select.strategy
        deepspeed = self.toolkit.environment.deepspeed_file(train.deepspeed) if train.deepspeed else None
        return {
            **self._model(),
            # how evaluation is batched changes no weights
            "train": train.model_dump(mode="json", exclude={"eval_batch_size", "deepspeed", "per_task"}),
            "deepspeed": source_digest(deepspeed) if deepspeed else train.deepspeed,
            "seed": self.recipe.seed,
            "runner": source_digest(*self.toolkit.runner_sources("train")),
            # which checkpoints are kept follows from how one is chosen
            "keep": selection,
        }

    def _select(self, group: tuple[Task, ...]) -> dict[str, Any]:
        strategy = self.recipe.select.strategy
        return {"strategy": strategy, **(self._answers(group, "dev") if strategy == "dev_accuracy" else {})}

    def _answers(self, group: tuple[Task, ...], split: str) -> dict[str, Any]:
        inference = self.recipe.inference
        # samples are drawn by batch; greedy answers do not depend on how they are batched
        how = {"split"} if inference.temperature > 0 else {"split", "batch_size"}
        decoding = inference.model_dump(mode="json", exclude=how)
        return {
            **self._model(),
            **asked(self.recipe, group, (split,)),
            "data": self._files(group, split),
            "split": split,
            "limit": self.recipe.data.limit,
            "decoding": decoding,
            "seed": self.recipe.seed if inference.temperature > 0 else None,
            "runner": source_digest(*self.toolkit.runner_sources("infer")),
        }

    def _infer(self, group: tuple[Task, ...]) -> dict[str, Any]:
        return self._answers(group, self.recipe.inference.split)

    def _score(self, group: tuple[Task, ...]) -> dict[str, Any]:
        return {
            "labels": {task.name: task.labels for task in group},
            "parser": answers.PARSER_VERSION,
            "metrics": metrics.VERSION,
        }
