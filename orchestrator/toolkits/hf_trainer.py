"""What toolkits have in common that train with the Hugging Face trainer: its arguments, and where it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.base import Checkpoint, Command, Layout, MeasureInputs, Progress, Say, ignore
from orchestrator.toolkits.hf_output import OUTPUT
from orchestrator.toolkits.programs import Programs
from orchestrator.toolkits.whole import weights_problems


def arguments(recipe: Recipe) -> dict[str, Any]:
    """The arguments of transformers' ``TrainingArguments`` that a recipe decides, the same in every toolkit."""
    train = recipe.training
    found: dict[str, Any] = {
        "output_dir": OUTPUT,
        "per_device_train_batch_size": train.micro_batch_size,
        "gradient_accumulation_steps": train.batch_size // (train.micro_batch_size * recipe.resources.processes),
        "learning_rate": train.learning_rate,
        "num_train_epochs": train.epochs,
        "lr_scheduler_type": train.scheduler,
        "warmup_ratio": train.warmup_ratio,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "bf16": train.precision == "bf16",
        "fp16": train.precision == "fp16",
        "seed": recipe.seed,
        "logging_steps": 10,
        # else a loss that is no number is logged as 0.0
        "logging_nan_inf_filter": False,
        "save_strategy": "steps" if train.save_steps else "epoch",
        # exact resume needs the optimizer and the random states
        "save_only_model": False,
        "report_to": list(train.report_to) if len(train.report_to) > 1 else next(iter(train.report_to), "none"),
    }
    if train.report_to and "run_name" not in train.extra:
        found["run_name"] = recipe.name  # what is reported bears it; by default it is the folder's name, `output`
    if train.save_steps:
        found["save_steps"] = train.save_steps
    if train.max_steps:
        found["max_steps"] = train.max_steps
    if recipe.most_checkpoints:
        found["save_total_limit"] = recipe.most_checkpoints
    return found


def lora_arguments(recipe: Recipe, rank: str = "lora_rank") -> dict[str, Any]:
    """The numbers of the adapter; toolkits differ in the name of its ``rank``."""
    lora = recipe.training.lora
    return {rank: lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}


def device_arguments(recipe: Recipe, device: str, environment: Environment) -> dict[str, Any]:
    """DeepSpeed's file, or that a CPU is meant: never both, as DeepSpeed then finds no backend or fails later."""
    if recipe.training.deepspeed:
        return {"deepspeed": str(environment.deepspeed_file(recipe.training.deepspeed))}
    return {"use_cpu": True} if device == "cpu" else {}


def length_config(recipe: Recipe, inputs: MeasureInputs) -> dict[str, Any]:
    """The configuration of a program that measures samples, as far as toolkits have it in common."""
    model = recipe.model
    return {
        "files": {name: {"path": path, "training": training} for name, (path, training) in inputs.files.items()},
        "out": inputs.out,
        "model": inputs.model,
        "revision": model.revision,
        "template": model.template,
        "trust_remote_code": model.trust_remote_code,
        "parts": dict(model.parts),
        "frames": recipe.video.frames,
        "train_system": recipe.prompt.train_system,
        "extra": dict(recipe.training.extra),
    }


TENSORBOARD = f"{OUTPUT}/runs"  # where TensorBoard's files are, below a training's folder


class HfTrainer(Programs):
    """A trainer whose outputs are in ``output/`` of the stage's folder; a subclass adds its formats and commands.

    Its program is ``inside/train.py``.
    """

    starts: Mapping[str, str] = {"train": "train"}
    training_video = False
    saves_between = True
    layouts: Mapping[str, Layout] = {}
    weights_problems = staticmethod(weights_problems)  # what is wrong with what inference loads from a checkpoint

    def resumable(self, folder: Path, say: Say = ignore) -> str | None:
        """See `Trainer.resumable`."""
        name = hf_output.resumable(folder / OUTPUT, self.weights_problems, say)
        return name and f"{OUTPUT}/{name}"

    def checkpoints(self, folder: Path) -> list[Checkpoint]:
        """See `Trainer.checkpoints`."""
        return hf_output.checkpoints(folder / OUTPUT, self.weights_problems)

    def damaged(self, folder: Path) -> dict[int, str]:
        """See `Trainer.damaged`."""
        return hf_output.damaged(folder / OUTPUT, self.weights_problems)

    def evaluations(self, folder: Path) -> list[tuple[int, float]]:
        """See `Trainer.evaluations`."""
        return hf_output.evaluations(folder / OUTPUT)

    def losses(self, folder: Path) -> list[tuple[int, float]]:
        """See `Trainer.losses`."""
        return hf_output.losses(folder / OUTPUT)

    def dataset_files(self, splits: Sequence[str], modality: str, *, system: bool) -> dict[str, str]:  # noqa: ARG002
        """See `Trainer.dataset_files`: most want none."""
        return {}

    def init(self, recipe: Recipe, corpus: str) -> Command:  # noqa: ARG002
        """See `Trainer.init`: most make none.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} makes no model from scratch", recipe.place("model.init"), "give model.path")

    def lengths(self, recipe: Recipe, inputs: MeasureInputs) -> Command | None:  # noqa: ARG002
        """See `Trainer.lengths`."""
        return None

    def reports(self, recipe: Recipe, folder: Path) -> list[str]:
        """See `Trainer.reports`."""
        others = [name for name in recipe.training.report_to if name != "tensorboard"]
        found = [f"reports to {', '.join(others)}"] if others else []
        if "tensorboard" in recipe.training.report_to:
            found.append(f"reports to TensorBoard: tensorboard --logdir {folder / TENSORBOARD}")
        return found

    def train_progress(self, folder: Path, begin: int = 0) -> Progress | None:
        """See `Trainer.train_progress`."""
        return hf_output.bar_progress(folder, begin)
