"""A recipe, fully resolved and checked: what one run does. Files become recipes in ``loader.py``.

The field descriptions feed ``show`` and the JSON Schema of editors. Paths are relative to the folder where
the command runs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from orchestrator.data_forms import columns_conflict
from orchestrator.errors import did_you_mean
from orchestrator.store import digest

Method = Literal["zero_shot", "sft", "it"]
Modality = Literal["text", "video"]
Split = Literal["train", "dev", "test"]
Precision = Literal["bf16", "fp16", "fp32"]

DEEPSPEED = ("zero2", "zero3", "zero2_offload", "zero3_offload")
# where the numbers of a batch stand: `locate` names the first of these that a file holds
BATCH_FIELDS = (("train", "batch_size"), ("train", "micro_batch_size"), ("resources", "processes"))
Fields = tuple[tuple[str, ...], ...]
_SECRET = re.compile(r"(^|_)(token|password|passwd|secret|(api_?)?key)$", re.IGNORECASE)


def refuse(field: str | Fields, message: str, hint: str = "") -> PydanticCustomError:
    """An error of our own, placed at ``field``: dotted, from the model that checks.

    Several fields, as paths or with spaces between: the first that the file holds, the first of all if none.
    """
    paths = tuple(tuple(name.split(".")) for name in field.split()) if isinstance(field, str) else field
    return PydanticCustomError("recipe", "{message}", {"message": message, "fields": paths, "hint": hint})


def batch_fields(task: str | None) -> Fields:
    """Where the numbers of a task's batch may stand: in its row of ``train.per_task``, then in the recipe."""
    if task is None:
        return BATCH_FIELDS
    row = ("train", "per_task", task)
    return ((*row, "batch_size"), (*row, "micro_batch_size"), *BATCH_FIELDS)


def batch_conflict(batch: int, micro: int, processes: int) -> tuple[str, str] | None:
    """Message and hint where a batch cannot be split into whole accumulation steps over the processes."""
    together = micro * processes
    if min(batch, micro, processes) < 1 or batch % together == 0:
        return None
    below, above = batch // together * together, (batch // together + 1) * together
    batches = " or ".join(str(value) for value in (below, above) if value)
    micros = [str(m) for m in range(1, min(batch, 4096) + 1) if batch % (m * processes) == 0]
    hint = f"batch_size {batches} would work"
    if micros:
        hint += f", or with {batch} a micro_batch_size of {', '.join(micros)}"
    return (
        f"`train.batch_size` {batch} cannot be split over {processes} process(es) x "
        f"micro_batch_size {micro} = {together} samples",
        hint,
    )


# where things are, and how fast they go: equal recipes on two machines differ in these
_PLACE: dict[str, Any] = {
    "description": True,
    "data": {"root", "video_root"},
    "resources": True,
    "inference": {"batch_size"},
}


Path_ = TypeVar("Path_", str, str | None)


def home(value: Path_) -> Path_:
    """A path with a leading ``~`` expanded: the shell does not do so behind ``--set key=``."""
    return str(Path(value).expanduser()) if value and value.startswith("~") else value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RandomInit(_Model):
    """A model made from scratch with random weights, its tokenizer trained on the recipe's training texts."""

    config: dict[str, JsonValue] = Field(description="transformers configuration; must hold `model_type`")
    vocab_size: int = Field(3000, ge=300, description="tokens of the tokenizer that is trained")

    @field_validator("config")
    @classmethod
    def _has_type(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if not isinstance(value.get("model_type"), str):
            raise refuse("", "the configuration holds no `model_type`", "add for example `model_type: qwen2`")
        return value


class ModelSpec(_Model):
    """The model: what it is called, where its weights come from, which toolkit runs it."""

    name: str = Field(min_length=1, description="as published, and as the results show it")
    path: str | None = Field(None, min_length=1, description="hub id, or a folder that holds the model")
    revision: str | None = Field(None, min_length=1, description="hub commit, tag or branch")
    toolkit: str = Field(description="the toolkit that trains and runs it, e.g. llamafactory")
    template: str | None = Field(None, description="the toolkit's name for the chat template, e.g. qwen")
    type: Literal["LLM", "MLLM"] = Field(description="LLM reads text, MLLM reads text and video")
    params_b: float | None = Field(None, gt=0, description="parameters, in billions")
    gpus: int = Field(1, ge=1, description="GPUs that inference with this model needs")
    trust_remote_code: bool = Field(False, description="run the Python code that comes with the weights")
    init: RandomInit | None = Field(None, description="make the model from scratch, in place of `path`")

    @model_validator(mode="after")
    def _one_source(self) -> ModelSpec:
        if self.path and self.init:
            raise refuse("path", "both `path` and `init` are given", "keep the one the model comes from")
        if not self.path and not self.init:
            raise refuse("", "neither `path` nor `init` is given", "set `path` to a hub id or a model folder")
        return self


class Data(_Model):
    """Where the benchmark's data lies and how much of it is used."""

    root: str = Field(
        default_factory=lambda: os.environ.get("MMLA_DATA_ROOT") or "data",
        min_length=1,
        description="folder of <dataset>/{train,dev,test}.tsv (default: $MMLA_DATA_ROOT, or `data`)",
    )
    video_root: str = Field("{root}/{dataset}/video", min_length=1, description="folder of the videos")
    modality: Modality | None = Field(None, description="what the model is shown (default: text, MLLM video)")
    limit: int | None = Field(None, ge=1, description="only the first N rows of every split")
    columns: dict[str, str] | list[str] | None = Field(
        None,
        description="other names of columns, {text: Utterance}, for one task {MELD.text: Utterance}; "
        "or the columns of files without a header, [id, video, text, label]",
    )

    @field_validator("root")
    @classmethod
    def _expanded(cls, value: str) -> str:
        return home(value)

    @field_validator("video_root")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        value = home(value)
        names = set(re.findall(r"\{([^{}]*)\}", value))
        if unknown := sorted(names - {"root", "dataset"}):
            raise refuse("", f"unknown placeholder {{{unknown[0]}}}", "use {root} and {dataset}")
        return value

    @field_validator("columns", mode="before")  # before: what pydantic says of a union helps nobody
    @classmethod
    def _known_columns(cls, value: Any) -> Any:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        if parts is not None and not (isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts)):
            hint = 'write {text: Utterance}, or [id, video, text, label] (quote names such as "5")'
            raise refuse("", "must be a mapping of column names, or a list of them", hint)
        if wrong := columns_conflict(value):
            raise refuse("", *wrong)
        return value


class Prompt(_Model):
    """What the model is asked, the same in training and inference."""

    template: str = Field("mmla/{modality}.j2", min_length=1, description="Jinja template, in prompts/ or a path")
    system: str | None = Field(None, description="system message (default: the chat template's own)")

    @field_validator("template")
    @classmethod
    def _expanded(cls, value: str) -> str:
        return home(value)


class Lora(_Model):
    """The LoRA adapter."""

    rank: int = Field(8, ge=1, description="rank of the update matrices")
    alpha: int = Field(16, ge=1, description="scale: the update is multiplied by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the adapter's inputs dropped in training")
    target: str = Field("all", min_length=1, description="modules with an adapter: all, or names with commas")


class _Training(_Model):
    """The keys of fine-tuning."""

    finetuning: Literal["lora", "full"] = Field("lora", description="train an adapter, or every weight")
    lora: Lora = Field(default_factory=Lora)
    epochs: float = Field(3.0, gt=0, description="passes over the training split")
    max_steps: int | None = Field(None, ge=1, description="stop after N optimizer steps")
    learning_rate: float = Field(1e-4, gt=0, lt=1, description="peak learning rate")
    batch_size: int = Field(16, ge=1, description="samples per optimizer step over ALL devices")
    micro_batch_size: int = Field(1, ge=1, description="samples on one device at once")
    eval_batch_size: int | None = Field(None, ge=1, description="in evaluation (default: the same)")
    scheduler: str = Field("cosine", min_length=1, description="learning rate schedule, e.g. linear")
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="share of the steps for the rate to rise")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of the optimizer")
    max_grad_norm: float = Field(1.0, ge=0, description="gradient clipping norm; 0 clips nothing")
    max_length: int = Field(1024, ge=16, description="tokens of a sample, prompt and answer together")
    precision: Precision = Field("bf16", description="number format in training")
    save_steps: int | None = Field(None, ge=1, description="steps between checkpoints (default: one epoch)")
    keep_checkpoints: int | None = Field(1, ge=1, description="checkpoints kept on disk (null: all)")
    deepspeed: str | None = Field(None, description=f"{', '.join(DEEPSPEED)}, or a path to a JSON")
    extra: dict[str, JsonValue] = Field(default_factory=dict, description="the toolkit's own options")

    @field_validator("extra")
    @classmethod
    def _no_secret_options(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name in value:
            if _SECRET.search(name):
                hint = "leave it out: the toolkit inherits what the shell exports, e.g. HF_TOKEN"
                raise refuse(name, f"`{name}` looks like a secret, and recipes are shared", hint)
        return value

    @field_validator("deepspeed")
    @classmethod
    def _known_deepspeed(cls, value: str | None) -> str | None:
        value = home(value)
        if value is None or value in DEEPSPEED or value.endswith(".json"):
            return value
        hint = did_you_mean(value, DEEPSPEED) or f"one of {', '.join(DEEPSPEED)}, or the path of a JSON file"
        raise refuse("", f"unknown DeepSpeed configuration `{value}`", hint)


class TaskTrain(_Training):
    """What differs for one task. Only the keys that are given count: a default here means the recipe's own value."""

    @model_serializer(mode="wrap")
    def _given(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # written out with its defaults it would be a row that sets every key
        values = {key: value for key, value in whole(self).items() if key in self.model_fields_set}
        if "lora" in values:
            values["lora"] = {key: value for key, value in values["lora"].items() if key in self.lora.model_fields_set}
        return values


class Train(_Training):
    """Fine-tuning."""

    per_task: dict[str, TaskTrain] = Field(
        default_factory=dict, description="sft: by task, the keys of `train` that differ for it"
    )

    def merged(self, task: str) -> Train:
        """The settings with a task's row over them (mappings key by key), and no rows of any task."""
        row = self.per_task.get(task)
        own = self.model_dump(exclude={"per_task"})
        return Train.model_validate(_over(own, row.model_dump()) if row else own)


class Select(_Model):
    """Which checkpoint is used."""

    strategy: Literal["best_eval", "last", "dev_accuracy"] = Field(
        "best_eval",
        description="best_eval: first maximum of the toolkit's accuracy on dev; last; "
        "dev_accuracy: every checkpoint answers the dev split",
    )


class Inference(_Model):
    """How the answers are made."""

    split: Split = Field("test", description="the split that is answered and scored")
    batch_size: int = Field(8, ge=1, description="requests answered at once")
    max_new_tokens: int = Field(32, ge=1, description="longest answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="0 is greedy, higher samples")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus sampling: share of the probability mass kept")
    precision: Precision = Field("bf16", description="number format of the weights in inference")

    @model_validator(mode="after")
    def _sampling(self) -> Inference:
        if self.top_p != 1 and self.temperature == 0:
            raise refuse(
                "top_p",
                f"`inference.top_p` {self.top_p:g} has no effect at temperature 0 (greedy)",
                "set a temperature above 0, or remove top_p",
            )
        return self


class Video(_Model):
    """How a video is shown to the model, in training and inference alike."""

    frames: int = Field(4, ge=1, description="frames, evenly spaced over the video")
    max_pixels: int = Field(151200, ge=784, description="most pixels of a frame; larger ones are scaled down")


class Resources(_Model):
    """What a run may use."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is a GPU")
    processes: int = Field(1, ge=1, description="training processes, one per GPU")
    env: dict[str, str] = Field(default_factory=dict, description="environment variables of the toolkit")
    stage_timeout_hours: float | None = Field(None, gt=0, description="stop a stage that takes longer")

    @field_validator("env")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not name or "=" in name or "\0" in name + text:
                raise refuse(name, f"`{name}` cannot be an environment variable")
            if name == "CUDA_VISIBLE_DEVICES":
                hint = "export it in the shell: a run uses the first of the GPUs that it names"
                raise refuse(name, "the GPUs are not chosen in a recipe", hint)
            if _SECRET.search(name):
                hint = f"remove it here and type `export {name}=...` in the shell: the toolkit inherits it"
                raise refuse(name, f"`{name}` looks like a secret, and recipes are shared", hint)
        return value


class Recipe(_Model):
    """One model, one method, some tasks: everything that decides what a run computes."""

    name: str = Field(
        max_length=100,
        pattern=r"^\w[\w.+-]*$",
        description="of the results and run folder (default: the file's)",
    )
    description: str = Field("", description="a line for people")
    method: Method = Field(description="zero_shot: prompt only; sft: trains per task; it: once for all")
    model: ModelSpec
    tasks: tuple[str, ...] = Field(min_length=1, description='task names, or "all": the 12 of the benchmark')
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of sampling, shuffling and initial weights")
    data: Data = Field(default_factory=Data)
    prompt: Prompt = Field(default_factory=Prompt)
    train: Train | None = Field(None, description="fine-tuning (not used by zero_shot)")
    select: Select = Field(default_factory=Select)
    inference: Inference = Field(default_factory=Inference)
    video: Video = Field(default_factory=Video)
    resources: Resources = Field(default_factory=Resources)
    source: Path | None = Field(None, exclude=True, repr=False, description="the file it was read from")

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.method == "zero_shot":
            object.__setattr__(self, "train", None)  # a family's base file holds one for its other methods
        elif self.train is None:
            object.__setattr__(self, "train", Train())
        if self.train and self.train.per_task and self.method != "sft":
            message = f"`train.per_task` is for method sft: `{self.method}` trains once for all tasks"
            raise refuse("train.per_task", message, "remove it, or write method: sft")
        rows = self.train.per_task if self.train else {}
        # the rows of tasks that are not run may not fit this machine
        for task in dict.fromkeys(task if task in rows else None for task in self.tasks) if self.train else ():
            train = self.train_for(task)
            if conflict := batch_conflict(train.batch_size, train.micro_batch_size, self.resources.processes):
                raise refuse(batch_fields(task), *conflict)
        if self.data.modality == "video" and self.model.type == "LLM":
            hint = "choose a model of type MLLM, or `modality: text`"
            raise refuse("data.modality model", f"`{self.model.name}` is an LLM: it reads no video", hint)
        return self

    @property
    def modality(self) -> Modality:
        """What the model is shown: ``data.modality``, or text for an LLM and video for an MLLM."""
        return self.data.modality or ("video" if self.model.type == "MLLM" else "text")

    def train_for(self, task_name: str | None) -> Train:
        """How a task's own adapter is trained: ``train`` with the task's row of ``per_task`` over it.

        ``None``: ``train`` as it stands, for all tasks together. Not for zero_shot, which trains nothing.
        """
        assert self.train is not None
        return self.train if task_name is None else self.train.merged(task_name)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain JSON values, in the order of the fields, without the file it came from."""
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what a recipe asks for, wherever its data lies and whatever machine runs it."""
        return digest(self.model_dump(mode="json", exclude=_PLACE))


def _over(base: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in row.items():
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
