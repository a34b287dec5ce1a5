"""What the output of each kind of stage depends on, and the key that is its hash.

A stage's key is a hash of everything that can change its output and of nothing else; a stage that needs another
takes the other's key into its own, so a change runs again exactly what depends on it. Programs count by what they do
(`machine.meaning`), settings where they are not at their default (`recipe.given`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.forms import ALIASES, ColumnNames
from orchestrator.data.leaks import HELD_OUT
from orchestrator.data.same_text import VERSION as TEXT_VERSION
from orchestrator.data.samples import LIMIT_VERSION, file_digest, split_file
from orchestrator.machine.files import digest, read_json
from orchestrator.machine.meaning import meaning
from orchestrator.plan import identity
from orchestrator.plan.differences import ASKED
from orchestrator.plan.plan import TRAIN_SPLITS
from orchestrator.prompts.examples import corpus_split, wording_inputs
from orchestrator.recipe.given import given
from orchestrator.recipe.recipe import Recipe
from orchestrator.scores import answers, metrics
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import Part
from orchestrator.toolkits.released import VERSION as LAYOUT_VERSION

KEY_LENGTH = 12
# the scheme of the keys, and part of each: raised when they come to mean other things. Everything is done again then,
# and said to be (`why.py`); keep to the versions of single things where those will do
KEYS = 2
# raised when the same inputs give other training files
CONVERSION_VERSION = 2
# raised when other things are kept of a score
ENTRY_VERSION = 2
# of a model: what it is called, what it needs, and what counts by content (`identity.of_model`) or by other inputs
# of inference: the split is an input of its own, the others say how fast answers come and when to stop
_PACE = ("split", "batch_size", "max_cost", "max_requests")
_NO_SETTINGS = ("name", "path", "revision", "toolkit", "type", "params_b", "gpus", "parts", "prices", "init")


def key_of(inputs: object) -> str:
    """A stage's key: the first 12 hex digits (48 bits) of the digest of all that can change its output."""
    return digest(inputs)[:KEY_LENGTH]


def _columns(task: Task, columns: ColumnNames) -> ColumnNames:
    """What ``data.columns`` says of a task's files."""
    if not isinstance(columns, Mapping):
        return columns
    found = {name: columns.get(f"{task.name}.{name}", columns.get(name)) for name in ALIASES}
    return {name: column for name, column in found.items() if column is not None} or None


def _filled(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing, so that an input which is new changes the key of nobody who does not use it."""
    return {name: value for name, value in inputs.items() if value not in (None, {}, [], ())}


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
        return {"lock": identity.of_environment(part.environment), "programs": meaning(part.sources(kind))}

    def _files(self, group: tuple[Task, ...], *splits: str, videos: bool = True) -> list[dict[str, Any]]:
        root = Path(self.recipe.data.root)
        found = []
        for task in group:
            # what a prompt may hold of a task besides the utterance
            entry: dict[str, Any] = {"task": task.name, **{name: getattr(task, name) for name in ASKED}}
            entry["columns"] = _columns(task, self.recipe.data.columns)
            if videos and self.recipe.on_bad_video != "fail":
                entry["on_bad_video"] = self.recipe.on_bad_video
            for split in splits:
                path = split_file(task, split, root)
                entry[split] = file_digest(path) if path else None
                if path and videos and self.recipe.modality == "video":
                    entry[f"{split}_videos"] = identity.of_videos(task, split, self.recipe, self.seen)
            found.append(_filled(entry))
        return found

    def _drawn(self) -> dict[str, int] | None:
        """How a limit draws its samples."""
        data = self.recipe.data
        return None if data.limit is None else {"seed": data.limit_seed, "version": LIMIT_VERSION}

    def rows(self, group: tuple[Task, ...]) -> list[dict[str, Any]]:
        """The files of the inference split, without what lies beside them."""
        return self._files(group, self.recipe.inference.split, videos=False)

    def of(self, kind: str, group: tuple[Task, ...]) -> dict[str, Any]:
        """The inputs of a kind of stage of the job that these tasks make, without those that say nothing."""
        return {"stage": kind, "keys": KEYS, **_filled(getattr(self, kind)(group))}

    def init(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """A model from scratch: its configuration and the text that its tokenizer learns from."""
        corpus = (self._files((task,), corpus_split(self.recipe, task), videos=False) for task in group)
        return {
            "init": given(self.recipe.model.init),
            "seed": self.recipe.seed,
            "corpus": [entry for entries in corpus for entry in entries],
            "limit": self.recipe.data.limit,
            "drawn": self._drawn(),
            "env": self.recipe.resources.decisive_env,
            **wording_inputs(self.recipe, group, ("train",), training=True),
            **self._programs("init"),
        }

    def convert(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """Training files: data, prompt, layout and, where tasks are mixed, the seed."""
        text = self.recipe.it.leak_texts
        return {
            "conversion": CONVERSION_VERSION,
            "toolkit": self.part("convert").name,
            "data": self._files(group, *TRAIN_SPLITS),
            "limit": self.recipe.data.limit,
            "drawn": self._drawn(),
            "exclude_leaks": self._files(group, *HELD_OUT, videos=False) if self.recipe.it.exclude_leaks else None,
            "same_text": {**asdict(text), "version": TEXT_VERSION} if text else None,
            # only mixing several tasks uses the seed
            "seed": self.recipe.seed if len(group) > 1 else None,
            "layout": LAYOUT_VERSION if self.recipe.released else None,
            **wording_inputs(self.recipe, group, TRAIN_SPLITS, training=True),
        }

    def _model(self) -> dict[str, Any]:
        return {
            "weights": identity.of_model(self.recipe.model),
            "model": given(self.recipe.model, _NO_SETTINGS),
            "env": self.recipe.resources.decisive_env,
        }

    def _video(self, *, training: bool) -> dict[str, Any]:
        """How clips are shown; where training has its own way it follows no other."""
        video = self.recipe.video
        if self.recipe.modality != "video":
            return {}
        return {"training": given(video.training)} if training and video.training else given(video, ("training",))

    def train(self, _group: tuple[Task, ...]) -> dict[str, Any]:
        """A training: model, settings, programs."""
        train = self.recipe.training
        unused = ("lora",) if train.finetuning == "full" else ()
        deepspeed = self.part("train").environment.deepspeed_file(train.deepspeed) if train.deepspeed else None
        return {
            **self._model(),
            "video": self._video(training=True),
            # how evaluation is batched, who is told how it goes, and what is saved to go on from, changes no weights
            "train": given(train, ("eval_batch_size", "save_minutes", "report_to", "deepspeed", "per_task", *unused)),
            "deepspeed": digest(read_json(deepspeed)) if deepspeed else train.deepspeed,
            "seed": self.recipe.seed,
            **self._programs("train"),
            # which checkpoints are kept follows from how one is chosen
            "select": given(self.recipe.select),
        }

    def select(self, group: tuple[Task, ...]) -> dict[str, Any]:
        """A selection: its strategy, and what answers on dev depend on."""
        found: dict[str, Any] = {"select": given(self.recipe.select)}
        if self.recipe.select.strategy == "dev_accuracy":
            found |= {**self._answers(group, "dev"), "parser": answers.PARSER_VERSION}
        return found

    def _answers(self, group: tuple[Task, ...], split: str) -> dict[str, Any]:
        recipe = self.recipe
        sampled, scored = recipe.inference.temperature > 0, recipe.inference.answers == "labels"
        return {
            **self._model(),
            "video": self._video(training=False),
            **wording_inputs(recipe, group, (split,)),
            # what stands for the video in a question
            "media": recipe.released.media if recipe.released and recipe.modality == "video" else None,
            "data": self._files(group, split),
            "split": split,
            "limit": recipe.data.limit,
            "drawn": self._drawn(),
            # where labels are scored no token is generated
            "inference": given(recipe.inference, (*_PACE, *(["max_new_tokens"] if scored else []))),
            # samples are drawn by batch; greedy answers do not depend on how they are batched, nor do a server's
            "batch_size": recipe.inference.batch_size if sampled and recipe.model.gpus else None,
            "seed": recipe.seed if sampled else None,
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
        """Merged weights: what they are made of, the checkpoint aside; some toolkits write them as inference reads."""
        return {"inference": {"precision": self.recipe.inference.precision}, **self._programs("merge")}
