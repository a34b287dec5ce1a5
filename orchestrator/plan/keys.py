"""What the output of each kind of stage depends on, and the key that is its hash.

A stage's key is a hash of everything that can change its output and of nothing else; a stage that needs another
takes the other's key into its own, so a change runs again exactly what depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.forms import ALIASES, ColumnNames
from orchestrator.data.leaks import HELD_OUT
from orchestrator.data.samples import file_digest, split_file
from orchestrator.machine.files import digest, source_digest
from orchestrator.plan import identity
from orchestrator.plan.plan import TRAIN_SPLITS
from orchestrator.prompts.examples import corpus_split, wording_inputs
from orchestrator.recipe.recipe import Recipe
from orchestrator.scores import answers, metrics
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import Part
from orchestrator.toolkits.released import VERSION as LAYOUT_VERSION

KEY_LENGTH = 12
# raised when the same inputs give other training files
CONVERSION_VERSION = 2
# raised when other things are kept of a score
ENTRY_VERSION = 2


def key_of(inputs: object) -> str:
    """A stage's key: the first 12 hex digits (48 bits) of the digest of all that can change its output."""
    return digest(inputs)[:KEY_LENGTH]


def _columns(task: Task, columns: ColumnNames) -> ColumnNames:
    """What ``data.columns`` says of a task's files."""
    if not isinstance(columns, Mapping):
        return columns
    found = {name: columns.get(f"{task.name}.{name}", columns.get(name)) for name in ALIASES}
    return {name: column for name, column in found.items() if column is not None} or None


@dataclass(frozen=True)
class Inputs:
    """By kind of stage, as JSON values: what a job's stages depend on besides the stages that they need.

    ``seen``: digests of videos that other plans asked for, see `identity.of_videos`.
    """

    recipe: Recipe
    seen: dict[str, str | None]

    def part(self, kind: str) -> Part:
        """Whose programs a kind of stage runs."""
        return registry.part_of(self.recipe, kind)

    def _programs(self, kind: str) -> dict[str, Any]:
        """What runs: the environment, and the programs that a kind of stage starts with."""
        part = self.part(kind)
        return {"toolkit": part.environment.lock_digest, "runner": source_digest(*part.sources(kind))}

    def _files(self, group: tuple[Task, ...], *splits: str, videos: bool = True) -> list[dict[str, Any]]:
        root = Path(self.recipe.data.root)
        found = []
        for task in group:
            entry: dict[str, Any] = {"task": task.name, "word": task.word, "labels": task.labels}
            entry["columns"] = _columns(task, self.recipe.data.columns)
            for split in splits:
                path = split_file(task, split, root)
                if videos and self.recipe.modality == "video":
                    entry["on_bad_video"] = self.recipe.data.on_bad_video
                entry[split] = file_digest(path) if path else None
                if path and videos and self.recipe.modality == "video":
                    entry[f"{split}_videos"] = identity.of_videos(task, split, self.recipe, self.seen)
            found.append(entry)
        return found

    def rows(self, group: tuple[Task, ...]) -> list[dict[str, Any]]:
        """The files of the inference split, without what lies beside them."""
        return self._files(group, self.recipe.inference.split, videos=False)

    def of(self, kind: str, group: tuple[Task, ...]) -> dict[str, Any]:
        """The inputs of a kind of stage of the job that these tasks make."""
        found: dict[str, Any] = getattr(self, kind)(group)
        return found

    def init(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """A model from scratch: its configuration and the text that its tokenizer learns from."""
        init = self.recipe.model.init
        assert init is not None
        return {
            "config": init.config,
            "vocab_size": init.vocab_size,
            "seed": self.recipe.seed,
            "corpus": [self._files((task,), corpus_split(self.recipe, task), videos=False) for task in group],
            "limit": self.recipe.data.limit,
            **wording_inputs(self.recipe, group, ("train",), training=True),
            **self._programs("init"),
        }

    def convert(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """Training files: data, prompt, layout and, where tasks are mixed, the seed."""
        return {
            "version": CONVERSION_VERSION,
            "toolkit": self.part("convert").name,
            "data": self._files(group, *TRAIN_SPLITS),
            "limit": self.recipe.data.limit,
            "exclude_leaks": self._files(group, *HELD_OUT, videos=False) if self.recipe.it.exclude_leaks else None,
            # only mixing several tasks uses the seed
            "seed": self.recipe.seed if len(group) > 1 else None,
            **({"layout": LAYOUT_VERSION} if self.recipe.released else {}),
            **wording_inputs(self.recipe, group, TRAIN_SPLITS, training=True),
        }

    def _model(self) -> dict[str, Any]:
        model = self.recipe.model
        return {
            "model": identity.of_model(model),
            "template": model.template,
            "trust_remote_code": model.trust_remote_code,
            "attention": model.attention,
            "video": self.recipe.video.model_dump(exclude_none=True) if self.recipe.modality == "video" else None,
            "env": self.recipe.resources.decisive_env,
        }

    def train(self, _group: tuple[Task, ...]) -> dict[str, Any]:
        """A training: model, settings, programs."""
        train = self.recipe.training
        selection = self.recipe.select.strategy
        deepspeed = self.part("train").environment.deepspeed_file(train.deepspeed) if train.deepspeed else None
        return {
            **self._model(),
            # how evaluation is batched changes no weights
            "train": train.model_dump(mode="json", exclude={"eval_batch_size", "deepspeed", "per_task"}),
            "deepspeed": source_digest(deepspeed) if deepspeed else train.deepspeed,
            "seed": self.recipe.seed,
            **self._programs("train"),
            # which checkpoints are kept follows from how one is chosen
            "keep": selection,
        }

    def select(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """A selection: its strategy, and what answers on dev depend on."""
        strategy = self.recipe.select.strategy
        return {"strategy": strategy, **(self._answers(group, "dev") if strategy == "dev_accuracy" else {})}

    def _answers(self, group: tuple[Task, ...], split: str) -> dict[str, Any]:
        inference = self.recipe.inference
        # samples are drawn by batch; greedy answers do not depend on how they are batched
        how = {"split"} if inference.temperature > 0 else {"split", "batch_size"}
        decoding = inference.model_dump(mode="json", exclude=how)
        return {
            **self._model(),
            **wording_inputs(self.recipe, group, (split,)),
            "data": self._files(group, split),
            "split": split,
            "limit": self.recipe.data.limit,
            "decoding": decoding,
            "seed": self.recipe.seed if inference.temperature > 0 else None,
            **self._programs("infer"),
        }

    def infer(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """Answers to the inference split."""
        return self._answers(group, self.recipe.inference.split)

    def score(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """Scores: the labels and the versions of parser and metrics."""
        return {
            "labels": {task.name: task.labels for task in group},
            "entry": ENTRY_VERSION,
            "parser": answers.PARSER_VERSION,
            "metrics": metrics.VERSION,
        }

    def merge(self, _group: tuple[Task, ...]) -> dict[str, Any]:
        """Merged weights."""
        return {"toolkit": self.part("merge").environment.lock_digest}
