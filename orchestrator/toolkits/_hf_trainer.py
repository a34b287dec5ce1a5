"""The output folder of the Hugging Face trainer, which several toolkits train with."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.environments.environment import Environment
from orchestrator.machine.files import read_json
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Checkpoint

STATE = "trainer_state.json"
OUTPUT = "output"


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
        "report_to": "none",
    }
    if train.save_steps:
        found["save_steps"] = train.save_steps
    if train.max_steps:
        found["max_steps"] = train.max_steps
    keep = train.keep_checkpoints
    if keep and not (recipe.select.strategy == "dev_accuracy" and keep == 1):  # one checkpoint is no choice
        # with 1 the trainer deletes the last one at the end, and a stop just then loses what came after the best
        found["save_total_limit"] = max(2, keep)
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


def checkpoints(output: Path) -> list[Checkpoint]:
    """The complete checkpoints, by step.

    The trainer writes trainer_state.json last, so it marks one that is complete; but one that was killed while it
    was deleted may have nothing else left, so the weights must be there, too.
    """
    found = []
    for path in output.glob("checkpoint-*"):
        state = read_json(path / STATE)
        weights = any(path.glob("*.safetensors")) or any(path.glob("*.bin"))
        if weights and isinstance(state, dict) and path.name == f"checkpoint-{state.get('global_step')}":
            found.append(Checkpoint(state["global_step"], path))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def evaluations(output: Path) -> list[tuple[int, float]]:
    """(step, eval_accuracy) of every evaluation, by step.

    The top-level trainer_state.json appears only after a complete run; each checkpoint has its own.
    """
    states = [read_json(path) for path in [*output.glob(f"checkpoint-*/{STATE}"), output / STATE]]
    histories: list[list[dict[str, Any]]] = [s.get("log_history", []) for s in states if isinstance(s, dict)]
    newest = max(histories, key=len, default=[])
    return [(row["step"], row["eval_accuracy"]) for row in newest if "eval_accuracy" in row]


def resumable(output: Path) -> str | None:
    """The name of the newest complete checkpoint of a stopped training; removes what is incomplete."""
    if not output.is_dir():
        return None
    complete = checkpoints(output)
    for path in output.glob("checkpoint-*"):
        if all(path != checkpoint.path for checkpoint in complete):
            shutil.rmtree(path)
    if not complete:
        # left-overs of a run that never reached a checkpoint would make a toolkit refuse the folder
        shutil.rmtree(output)
        return None
    return complete[-1].path.name


def output_problems(output: Path) -> list[str]:
    """What is missing from a training that exited with status 0; empty when it reached its last step."""
    state = read_json(output / STATE)
    if not isinstance(state, dict):
        return [f"it wrote no {STATE}"]
    found = []
    if state.get("global_step", 0) < state.get("max_steps", 1):
        found.append(f"it stopped at step {state.get('global_step')} of {state.get('max_steps')}")
    if not checkpoints(output):
        found.append("it left no complete checkpoint")
    broken = next(
        (row["step"] for row in state.get("log_history", []) if not math.isfinite(row.get("loss", 0.0))), None
    )
    if broken is not None:
        found.append(f"the loss is no number from step {broken} on: lower train.learning_rate, or use bf16 or fp32")
    return found


def row_problems(said: Sequence[str], rows: int) -> list[str]:
    """Whether a training took so many rows: what its log said of their number, the last of which counts."""
    if not said:
        return ["its log does not say on how many samples it trained"]
    trained = int(said[-1].replace(",", ""))
    return [] if trained == rows else [f"it trained on {trained} of {rows} samples"]
