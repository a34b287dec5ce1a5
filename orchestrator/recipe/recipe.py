"""A recipe, fully resolved and checked: what one run does. Files become recipes in ``load.py``.

The field descriptions feed ``show`` and the JSON Schema of editors. Paths are relative to the folder where
the command runs; those of a model, a prompt template and a DeepSpeed file to the recipe's first (``paths.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from orchestrator.benchmark.model import ModelSpec
from orchestrator.benchmark.thinking import OFF
from orchestrator.checked_yaml.section import Section, refuse
from orchestrator.machine.files import digest
from orchestrator.recipe import released
from orchestrator.recipe.given import given
from orchestrator.recipe.it import InstructionTuning
from orchestrator.recipe.sections import ROOM, Data, Inference, Modality, Prompt, Resources, Select, Video
from orchestrator.recipe.slurm import Slurm
from orchestrator.recipe.train import Train, batch_conflict, batch_fields

NAME = r"^\w[\w.+-]*$"
Method = Literal["zero_shot", "sft", "it"]
# where things are, and how fast they go: equal recipes on two machines differ in these
_PLACE = (
    *("description", "resources", "slurm", "data.root", "data.video_root", "train", "model.prices"),
    *("inference.batch_size", "inference.max_cost", "inference.max_requests"),
)
# of a training: how evaluation is batched, and who is told how it goes, changes no weights; rows of tasks are told as
# what they come to
_PACE = ("eval_batch_size", "report_to", "per_task")


@dataclass(frozen=True)
class Swept:
    """What a recipe is of a sweep's combinations.

    Attributes:
        results: the name of the results of all combinations.
        values: by key, as the recipe's name spells them.
    """

    results: str
    values: Mapping[str, str]


class Recipe(Section):
    """One model, one method, some tasks: everything that decides what a run computes."""

    name: str = Field(max_length=100, pattern=NAME, description="of the results and run folder (default: the file's)")
    description: str = Field("", description="a line for people")
    method: Method = Field(description="zero_shot: prompt only; sft: trains per task; it: once for all")
    model: ModelSpec
    tasks: tuple[str, ...] = Field(min_length=1, description='task names, or "all": the 12 of the benchmark')
    protocol: Literal["mmla", "released"] = Field(
        "mmla",
        description="mmla: one prompt for training and inference; released: prompts, files, system messages, sampling "
        "and frames as published, where the recipe gives no value of its own",
    )
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of sampling, shuffling and initial weights")
    data: Data = Field(default_factory=Data)
    prompt: Prompt = Field(default_factory=Prompt)
    it: InstructionTuning = Field(default_factory=InstructionTuning, description="method it alone")
    train: Train | None = Field(None, description="fine-tuning (not used by zero_shot)")
    select: Select = Field(default_factory=Select)
    inference: Inference = Field(default_factory=Inference)
    video: Video = Field(default_factory=Video)
    resources: Resources = Field(default_factory=Resources)
    slurm: Slurm = Field(default_factory=Slurm, description="what `run --on slurm` asks for, over the site file")
    source: Path | None = Field(None, exclude=True, repr=False, description="the file it was read from")

    _places: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _swept: Swept | None = PrivateAttr(None)

    @property
    def swept(self) -> Swept | None:
        """What this is of a sweep's combinations; ``None`` where it is no such."""
        return self._swept

    def of_sweep(self, swept: Swept) -> Recipe:
        """The same as one of a sweep's combinations."""
        copy = self.model_copy()
        copy._swept = swept
        return copy

    @property
    def results_name(self) -> str:
        """Of the files of its results: its own name, or that of all combinations of its sweep."""
        return self._swept.results if self._swept else self.name

    def place(self, key: str) -> str:
        """``file:line:column`` of a dotted key, of the nearest one above it that is written out, or the recipe's file.

        Of a key that was given on the command line: the option.
        """
        while key and key not in self._places:
            key = key.rpartition(".")[0]
        return self._places.get(key, str(self.source or self.name))

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.method == "zero_shot":
            object.__setattr__(self, "train", None)  # a family's base file holds one for its other methods
        elif self.train is None:
            object.__setattr__(self, "train", Train())
        if self.train and self.train.per_task and self.method != "sft":
            message = f"`train.per_task` is for method sft: `{self.method}` trains once for all tasks"
            raise refuse("train.per_task", message, "remove it, or write method: sft")
        if self.it.exclude_leaks and self.method != "it":
            message = f"`it.exclude_leaks` is for method it: `{self.method}` does not mix the tasks"
            raise refuse("it.exclude_leaks", message, "remove it, or write method: it")
        rows = self.train.per_task if self.train else {}
        # the rows of tasks that are not run may not fit this machine
        for task in dict.fromkeys(task if task in rows else None for task in self.tasks) if self.train else ():
            train = self.train_for(task)
            if conflict := batch_conflict(train.batch_size, train.micro_batch_size, self.resources.processes):
                raise refuse(batch_fields(task), *conflict)
        if self.shows_clips and self.model.type == "LLM":
            hint = "choose a model of type MLLM, or `modality: text`"
            does = "reads no video" if self.shows_video else "hears no sound"
            raise refuse("data.modality model", f"`{self.model.name}` is an LLM: it {does}", hint)
        for key in ("max_cost", "max_requests"):
            if getattr(self.inference, key) is not None and self.model.gpus:
                message = f"`inference.{key}` is for hosted models: `{self.model.name}` runs on GPUs of yours"
                raise refuse(f"inference.{key}", message, "remove it; a hosted model says `gpus: 0`")
        if self.inference.max_thinking_tokens is not None and self.model.thinking == OFF:
            message = "`inference.max_thinking_tokens` is for models that think: `model.thinking` is off"
            hint = (
                "remove it (for one run: --set inference.max_thinking_tokens=null), or write model: {..., thinking: on}"
            )
            raise refuse("inference.max_thinking_tokens", message, hint)
        if self.inference.answers == "labels" and self.model.thinking != OFF:
            message = (
                "`inference.answers: labels` compares labels where the answer begins, and a thought has no end yet"
            )
            raise refuse("inference.answers model.thinking", message, "set answers: free, or model.thinking: off")
        if self.protocol == "released":
            self._follow_release()
        return self

    def _follow_release(self) -> None:
        """Fill in what the published protocol says, wherever the recipe gives no value of its own."""
        entry = self.released
        if entry is None:
            hint = "choose `protocol: mmla`, or another model or modality"
            message = f"the release has no {self.modality} protocol for the toolkit {self.model.toolkit}"
            raise refuse("protocol", message, hint)
        for name in ("prompt", "inference", "video"):
            section: Section = getattr(self, name)
            given = {key: getattr(section, key) for key in section.model_fields_set}
            values = released.protocol_values(entry, name, set(given))
            object.__setattr__(self, name, type(section).model_validate(values | given))

    @property
    def released(self) -> released.Family | None:
        """What the release did with models like this one; ``None`` for `protocol: mmla`."""
        if self.protocol == "mmla":
            return None
        model = self.model
        return released.family(model.toolkit, self.modality, model.template, model.name)

    @property
    def modality(self) -> Modality:
        """What the model is shown: ``data.modality``, or text for an LLM and video for an MLLM."""
        return self.data.modality or ("video" if self.model.type == "MLLM" else "text")

    @property
    def thinking_tokens(self) -> int:
        """Tokens that a model has for its thought before an answer; 0 where it is to have none."""
        return 0 if self.model.thinking == OFF else self.inference.max_thinking_tokens or ROOM

    @property
    def shows_video(self) -> bool:
        """Whether the model is shown frames of the clips."""
        return self.modality in ("video", "video+audio")

    @property
    def hears(self) -> bool:
        """Whether the model is given the sound of the clips."""
        return self.modality in ("audio", "video+audio")

    @property
    def shows_clips(self) -> bool:
        """Whether the clips are used at all, for their frames or for their sound."""
        return self.modality != "text"

    @property
    def on_bad_video(self) -> str:
        """``data.on_bad_video``; ``fail`` where no clip is used, so that none can be bad."""
        return self.data.on_bad_video if self.shows_clips else "fail"

    @property
    def training(self) -> Train:
        """How it trains, where that is known to be so.

        Raises:
            LookupError: it is zero_shot, which is a fault of this program.
        """
        if self.train is None:
            raise LookupError(f"{self.name} trains nothing")
        return self.train

    @property
    def most_checkpoints(self) -> int | None:
        """How many checkpoints of its training stay on disk at most; ``None``: all.

        With one, the trainer deletes the last one at the end, and a stop just then loses what came after the best; and
        one is no choice where all answer the dev split.
        """
        keep = self.training.keep_checkpoints
        return None if keep is None or (keep == 1 and self.select.strategy == "dev_accuracy") else max(2, keep)

    def train_for(self, task_name: str | None) -> Train:
        """How a task's own adapter is trained: ``train`` with the task's row of ``per_task`` over it.

        ``None``: ``train`` as it stands, for all tasks together. Not for zero_shot, which trains nothing.
        """
        return self.training if task_name is None else self.training.merged(task_name)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain JSON values, in the order of the fields, without the file it came from.

        Of ``slurm`` what is said: the rest is the site's to say.
        """
        return self.model_dump(mode="json") | {"slurm": self.slurm.model_dump(mode="json", exclude_unset=True)}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what a recipe asks for, wherever its data lies and whatever machine runs it.

        What is written out as it is anyway counts like what is left out.
        """
        train, rows = given(self.train, _PACE), {}
        if self.train and self.train.per_task:
            own = {task: given(self.train_for(task), _PACE) for task in self.tasks}
            rows = {task: settings for task, settings in own.items() if settings != train}
        more = {"train": train, "per_task": rows, "env": self.resources.decisive_env}
        return digest(given(self, _PLACE) | {name: value for name, value in more.items() if value})
