"""The sections of a recipe, but for ``model`` and ``train``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from orchestrator.checked_yaml.section import Section, expand_home, refuse
from orchestrator.data.forms import VIDEO_ROOT, columns_conflict
from orchestrator.data.samples import LIMIT_SEED
from orchestrator.machine.secrets import holds_secret
from orchestrator.machine.slurm_job import in_slurm_job
from orchestrator.recipe.train import Precision

Modality = Literal["text", "video"]
Split = Literal["train", "dev", "test"]
GRACE_SECONDS, SLURM_GRACE_SECONDS = 30.0, 120.0  # where a recipe says nothing
# environment variables that say where things are, how fast they go or what is logged; any other may change answers
_HARMLESS = re.compile(
    r"(OMP|MKL|KMP|GLOO|NCCL|TORCH_NCCL|UCX|FI|XDG|DS|MMLA_API|MMLA_CLIP)_.*|(WANDB|SWANLAB|MLFLOW|COMET|CLEARML|TRACKIO|NEPTUNE|TENSORBOARD)_.*|PYTORCH_.*ALLOC_CONF|TOKENIZERS_PARALLELISM"
    r"|PYTHON(UNBUFFERED|WARNINGS|UTF8)|HF_(HOME|HUB_.*|ENDPOINT|DATASETS_.*)|TRANSFORMERS_(OFFLINE|VERBOSITY)"
    r"|.*_CACHE(_DIR)?|TMPDIR|.*_PROXY|SSL_CERT_.*|(REQUESTS|CURL)_CA_BUNDLE|LD_LIBRARY_PATH|TORCH_EXTENSIONS_DIR"
    r"|MAX_JOBS|CUDA_(HOME|DEVICE_ORDER|LAUNCH_BLOCKING)|MMLA_HUB_PINS",
    re.IGNORECASE,
)


class Data(Section):
    """Where the benchmark's data lies and how much of it is used."""

    root: str = Field(
        default_factory=lambda: expand_home(os.environ.get("MMLA_DATA_ROOT") or "data"),
        min_length=1,
        description="folder of <dataset>/{train,dev,test}.tsv (default: $MMLA_DATA_ROOT, or `data`)",
    )
    video_root: str = Field(VIDEO_ROOT, min_length=1, description="folder of the videos")
    modality: Modality | None = Field(None, description="what the model is shown (default: text, MLLM video)")
    on_bad_video: Literal["fail", "skip", "text_only"] = Field(
        "fail",
        description="missing or undecodable video: fail before anything starts; skip: no training with it, and its "
        "answer counts as an error; text_only: the sample without its video",
    )
    limit: int | None = Field(None, ge=1, description="only N samples of every split, drawn by their ids")
    limit_seed: int = Field(LIMIT_SEED, ge=0, description="which samples `limit` draws; `seed` draws no others")
    columns: dict[str, str] | list[str] | None = Field(
        None,
        description="other names of columns, {text: Utterance}, for one task {MELD.text: Utterance}; "
        "or the columns of files without a header, [id, video, text, label]",
    )

    @field_validator("root")
    @classmethod
    def _expanded(cls, value: str) -> str:
        return expand_home(value)

    @field_validator("video_root")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        value = expand_home(value)
        names = set(re.findall(r"\{([^{}]*)\}", value))
        if unknown := sorted(names - {"root", "dataset"}):
            raise refuse("", f"unknown placeholder {{{unknown[0]}}}", "use {root} and {dataset}")
        return value

    @field_validator("columns", mode="before")  # before: what pydantic says of a union helps nobody
    @classmethod
    def _known_columns(cls, value: Any, info: ValidationInfo) -> Any:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        if parts is not None and not (isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts)):
            hint = 'write {text: Utterance}, or [id, video, text, label] (quote names such as "5")'
            raise refuse("", "must be a mapping of column names, or a list of them", hint)
        root = info.data.get("root")
        if wrong := columns_conflict(value, Path(root) if root else None):
            raise refuse("", *wrong)
        return value


class Prompt(Section):
    """What the model is asked, the same in training and inference unless said otherwise."""

    template: str = Field("mmla/{modality}.j2", min_length=1, description="Jinja template, in prompts/ or a path")
    system: str | None = Field(None, description="system message (default: the chat template's own)")
    train_system: str | None = Field(
        None, description='system message in training, where it is another one (default: `system`); "" is none'
    )
    history: tuple[tuple[str, str], ...] = Field(
        (), description="turns before the question, in inference only: [[user, assistant], ...]"
    )

    @field_validator("template")
    @classmethod
    def _expanded(cls, value: str) -> str:
        return expand_home(value)


class Select(Section):
    """Which checkpoint is used."""

    strategy: Literal["best_eval", "last", "dev_accuracy"] = Field(
        "best_eval",
        description="best_eval: first maximum of the toolkit's accuracy on dev; last; "
        "dev_accuracy: every checkpoint answers the dev split",
    )


class Inference(Section):
    """How the answers are made."""

    split: Split = Field("test", description="the split that is answered and scored")
    batch_size: int = Field(8, ge=1, description="requests answered at once")
    max_new_tokens: int = Field(32, ge=1, description="longest answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="0 is greedy, higher samples")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus sampling: share of the probability mass kept")
    answers: Literal["free", "labels"] = Field(
        "free",
        description="free: what the model says; labels: of the task's labels the most probable one, with the "
        "probability of each",
    )
    label_score: Literal["sum", "mean"] = Field(
        "sum",
        description="of `answers: labels`: what labels are compared by, the sum of their tokens' log-probabilities or "
        "the mean",
    )
    precision: Precision = Field("bf16", description="number format of the weights in inference")
    max_cost: float | None = Field(
        None, gt=0, description="of a hosted model: a stage stops before it costs more, in USD, by `model.prices`"
    )
    max_requests: int | None = Field(
        None, ge=1, description="of a hosted model: a stage stops after so many requests, repeated ones included"
    )

    @model_validator(mode="after")
    def _sampling(self) -> Inference:
        if self.top_p != 1 and self.temperature == 0:
            message = f"`inference.top_p` {self.top_p:g} has no effect at temperature 0 (greedy)"
            raise refuse("top_p", message, "set a temperature above 0, or remove top_p")
        if self.answers == "labels" and self.temperature > 0:
            message = "`inference.answers: labels` draws nothing: of all labels the most probable one is the answer"
            raise refuse("temperature", message, "remove the temperature, or set answers: free")
        if self.answers == "free" and self.label_score != "sum":
            message = f"`inference.label_score: {self.label_score}` has no effect on answers that are free"
            raise refuse("label_score", message, "set answers: labels, or remove label_score")
        return self


class TrainingVideo(Section):
    """How a video is shown in training where that is not as in inference."""

    fps: float = Field(2.0, gt=0, description="frames per second")
    frames: int = Field(64, ge=1, description="at most so many frames")
    max_pixels: int = Field(16384, ge=784, description="most pixels of a frame")


class Video(Section):
    """How a video is shown to the model, in training and inference alike unless said otherwise."""

    frames: int = Field(4, ge=1, description="frames, evenly spaced over the video")
    max_pixels: int = Field(151200, ge=784, description="most pixels of a frame; larger ones are scaled down")
    training: TrainingVideo | None = Field(None, description="in training, where it is not the same (few toolkits can)")


MOST_SECONDS = 1e6  # of a step or an answer, twelve days: more is a slip, and sums of it are beyond all numbers


class Resources(Section):
    """What a run may use."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA, or CPU without GPU up to 1B")
    processes: int = Field(1, ge=1, description="training processes, one per GPU, on all nodes together")
    nodes: int = Field(1, ge=1, description="machines of a training, alike, in one allocation of Slurm's")
    inference_processes: int | None = Field(
        None, ge=1, description="inference processes that share the requests (default: as the GPUs allow, 1 on a CPU)"
    )
    env: dict[str, str] = Field(default_factory=dict, description="environment variables of the toolkit")
    stage_timeout_hours: float | None = Field(None, gt=0, description="stop a stage that takes longer")
    stop_grace_seconds: float | None = Field(
        None,
        ge=0,
        description="when a run is stopped, its processes have so long to finish a checkpoint (default: 30; 120 in a "
        "Slurm job)",
    )
    stall_minutes: float = Field(
        30.0,
        ge=0,
        description="warn when a stage has shown no progress for so long (three times that before its first step or "
        "answer); 0: never",
    )
    seconds_per_step: float | None = Field(
        None, gt=0, le=MOST_SECONDS, description="of an optimizer step, for estimates (default: as earlier runs took)"
    )
    seconds_per_answer: float | None = Field(
        None,
        gt=0,
        le=MOST_SECONDS,
        description="of an answer of one inference process, for estimates (default: as earlier runs took)",
    )

    @property
    def grace_seconds(self) -> float:
        """How long processes have to finish a checkpoint when the run that this process is part of is stopped."""
        return self.slurm_grace_seconds if in_slurm_job() or self.stop_grace_seconds is not None else GRACE_SECONDS

    @property
    def slurm_grace_seconds(self) -> float:
        """The same of a run that is a Slurm job."""
        return SLURM_GRACE_SECONDS if self.stop_grace_seconds is None else self.stop_grace_seconds

    @property
    def processes_per_node(self) -> int:
        """Training processes on each node, one per GPU."""
        return self.processes // self.nodes

    @property
    def decisive_env(self) -> dict[str, str]:
        """The variables of ``env`` that may change what is computed: all but those known to be harmless."""
        return {name: value for name, value in sorted(self.env.items()) if not _HARMLESS.fullmatch(name)}

    @model_validator(mode="after")
    def _evenly_spread(self) -> Resources:
        if self.processes % self.nodes:
            above = (self.processes // self.nodes + 1) * self.nodes
            numbers = " or ".join(str(number) for number in (above - self.nodes, above) if number)
            fewer = ", ".join(str(number) for number in range(1, self.nodes) if self.processes % number == 0)
            raise refuse(
                "nodes processes",
                f"`resources.processes` {self.processes} cannot be spread evenly over {self.nodes} nodes",
                f"it counts the processes of all nodes: set it to {numbers}, or resources.nodes to {fewer}",
            )
        return self

    @field_validator("env")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not name or "=" in name or "\0" in name + text:
                raise refuse(name, f"`{name}` cannot be an environment variable")
            if name == "CUDA_VISIBLE_DEVICES":
                hint = "export it in the shell: a run uses the first of the GPUs that it names"
                raise refuse(name, "the GPUs are not chosen in a recipe", hint)
            if holds_secret(name, text):
                hint = f"remove it here and type `export {name}=...` in the shell: what needs it inherits it"
                raise refuse(name, f"`{name}` looks like a secret, and recipes are shared", hint)
        return value
