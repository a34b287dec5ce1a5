"""The training section of a recipe, and what all sections share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_serializer,
)

from orchestrator.checked_yaml.section import Fields, Section, expand_home, refuse
from orchestrator.environments.places import deepspeed_names
from orchestrator.errors import did_you_mean
from orchestrator.machine.secrets import holds_secret

Precision = Literal["bf16", "fp16", "fp32"]

# where the numbers of a batch stand: `locate` names the first of these that a file holds
BATCH_FIELDS = (("train", "batch_size"), ("train", "micro_batch_size"), ("resources", "processes"))
_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}


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


class Lora(Section):
    """The LoRA adapter."""

    rank: int = Field(8, ge=1, description="rank of the update matrices")
    alpha: int = Field(16, ge=1, description="scale: the update is multiplied by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the adapter's inputs dropped in training")
    target: str = Field("all", min_length=1, description="modules with an adapter: all, or names with commas")


class _Training(Section):
    """The keys of fine-tuning."""

    finetuning: Literal["lora", "full"] = Field("lora", description="train an adapter, or every weight")
    lora: Lora = Field(default_factory=Lora)
    epochs: float = Field(3.0, gt=0, description="passes over the training split")
    max_steps: int | None = Field(None, ge=1, description="stop after N optimizer steps")
    learning_rate: float = Field(1e-4, gt=0, lt=1, description="peak learning rate")
    batch_size: int = Field(16, ge=1, description="samples per optimizer step over ALL devices")
    micro_batch_size: int = Field(1, ge=1, description="samples on one device at once")
    eval_batch_size: int | None = Field(None, ge=1, description="in evaluation (default: the same)")
    scheduler: str = Field("cosine", min_length=1, description="learning rate schedule by its name in transformers")
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="share of the steps for the rate to rise")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of the optimizer")
    max_grad_norm: float = Field(1.0, ge=0, description="gradient clipping norm; 0 clips nothing")
    max_length: int = Field(1024, ge=16, description="tokens of a sample, prompt and answer together")
    on_too_long: Literal["fail", "skip"] = Field(
        "fail",
        description="a sample of more than `max_length` tokens, prompt and answer: fail before training; skip: no "
        "training with it, and its answer counts as an error",
    )
    precision: Precision = Field("bf16", description="number format in training")
    save_steps: int | None = Field(None, ge=1, description="steps between checkpoints (default: one epoch)")
    save_minutes: float | None = Field(
        None,
        gt=0,
        description="minutes after which one more checkpoint is written to go on from, which is never chosen, and "
        "kept until there is a newer one (default: none)",
    )
    keep_checkpoints: int | None = Field(
        1,
        ge=1,
        description="checkpoints kept on disk, 2 at least (null: all; dev_accuracy with 1: all, as every one is tried)",
    )
    deepspeed: str | None = Field(
        None, description="one of the toolkits' own by its name (zero2, zero3, ...), or a path to a JSON"
    )
    extra: dict[str, JsonValue] = Field(default_factory=dict, description="the toolkit's own options")

    @field_validator("extra")
    @classmethod
    def _no_secret_options(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name, option in value.items():
            if holds_secret(name, option):
                hint = "leave it out: the toolkit inherits what the shell exports, e.g. HF_TOKEN"
                raise refuse(name, f"`{name}` looks like a secret, and recipes are shared", hint)
        return value

    @field_validator("deepspeed")
    @classmethod
    def _known_deepspeed(cls, value: str | None) -> str | None:
        value = expand_home(value)
        if value is None or value in (known := deepspeed_names()) or value.endswith(".json"):
            return value
        hint = did_you_mean(value, known) or f"one of {', '.join(known)}, or the path of a JSON file"
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

    report_to: Annotated[tuple[str, ...], WithJsonSchema(_NAMES)] = Field(
        (), description="what the toolkit reports a training to: tensorboard, wandb, ...; a name or a list (none)"
    )
    per_task: dict[str, TaskTrain] = Field(
        default_factory=dict, description="sft: by task, the keys of `train` that differ for it"
    )

    @field_validator("report_to", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise refuse("", "must be a name or a list of names", "for example tensorboard, or [tensorboard, wandb]")
        if "all" in names:
            raise refuse("", "`all` would be whatever is installed", "name them: [tensorboard, wandb]")
        if repeated := [name for name in names if names.count(name) > 1]:
            raise refuse("", f"`{repeated[0]}` is named twice", "remove one")
        return tuple(name for name in names if name != "none")

    def merged(self, task: str) -> Train:
        """The settings with a task's row over them (mappings key by key), and no rows of any task."""
        row = self.per_task.get(task)
        own = self.model_dump(exclude={"per_task"})
        return type(self).model_validate(_over(own, row.model_dump()) if row else own)


def _over(base: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in row.items():
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
