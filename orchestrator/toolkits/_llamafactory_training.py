"""LLaMA-Factory's training arguments for a recipe.

They follow its ``hparams`` and transformers' ``TrainingArguments`` as pinned in
``third_party/llamafactory/requirements.lock``.
"""

from __future__ import annotations

from typing import Any

from orchestrator.environments import Environment
from orchestrator.recipe import Recipe
from orchestrator.toolkits.base import TrainInputs

OUTPUT = "output"


def train_arguments(recipe: Recipe, inputs: TrainInputs, environment: Environment) -> dict[str, Any]:
    """LLaMA-Factory's training arguments for a recipe, without the recipe's `train.extra`."""
    train, model = recipe.train, recipe.model
    assert train is not None
    accumulation = train.batch_size // (train.micro_batch_size * recipe.resources.processes)
    every: dict[str, Any] = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    if train.save_steps:
        every = {"eval_strategy": "steps", "eval_steps": train.save_steps}
        every |= {"save_strategy": "steps", "save_steps": train.save_steps}
    arguments: dict[str, Any] = {
        "model_name_or_path": inputs.model,
        "template": model.template,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": train.finetuning,
        "dataset_dir": inputs.data,
        "dataset": "train",
        "cutoff_len": train.max_length,
        "overwrite_cache": True,
        "output_dir": OUTPUT,
        "per_device_train_batch_size": train.micro_batch_size,
        "per_device_eval_batch_size": train.eval_batch_size or train.micro_batch_size,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": train.learning_rate,
        "num_train_epochs": train.epochs,
        "lr_scheduler_type": train.scheduler,
        # below 1, transformers 5 reads warmup_steps as a share of all steps (warmup_ratio is going away)
        "warmup_steps": train.warmup_ratio,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "logging_steps": 10,
        # else a loss that is no number is logged as 0.0
        "logging_nan_inf_filter": False,
        "bf16": train.precision == "bf16",
        "fp16": train.precision == "fp16",
        "seed": recipe.seed,
        # exact resume needs the optimizer and the random states
        "save_only_model": False,
        "report_to": "none",
        **every,
    }
    if model.revision:
        arguments["model_revision"] = model.revision
    if model.trust_remote_code:
        arguments["trust_remote_code"] = True
    if train.max_steps:
        arguments["max_steps"] = train.max_steps
    if train.finetuning == "lora":
        arguments |= {
            "lora_rank": train.lora.rank,
            "lora_alpha": train.lora.alpha,
            "lora_dropout": train.lora.dropout,
            "lora_target": train.lora.target,
        }
    if recipe.select.strategy == "best_eval":
        # the trainer then keeps the best checkpoint besides the last, without loading it at the end
        arguments |= {
            "compute_accuracy": True,
            "metric_for_best_model": "eval_accuracy",
            "greater_is_better": True,
            "eval_dataset": "dev",
        }
    else:
        arguments |= {"eval_strategy": "no"}
        arguments.pop("eval_steps", None)
    keep = train.keep_checkpoints
    if recipe.select.strategy == "dev_accuracy" and keep == 1:
        keep = None  # one checkpoint is no choice
    if keep:
        # with 1 the trainer deletes the last checkpoint at the end, and a stop just then loses what came
        # after the best one
        arguments["save_total_limit"] = max(2, keep)
    if recipe.modality == "video":
        arguments |= video_arguments(recipe)
    if train.deepspeed:
        arguments["deepspeed"] = str(environment.deepspeed_file(train.deepspeed))
    elif inputs.device == "cpu":
        arguments["use_cpu"] = True  # never together with DeepSpeed, which then finds no backend
    return arguments


def video_arguments(recipe: Recipe) -> dict[str, Any]:
    """The settings under which exactly `video.frames` frames are taken, evenly spaced, from any clip."""
    return {
        "video_fps": 100.0,
        "video_maxlen": recipe.video.frames,
        "video_max_pixels": recipe.video.max_pixels,
    }
