"""LLaMA-Factory's training arguments for a recipe.

They follow its ``hparams`` and transformers' ``TrainingArguments`` as pinned in
``third_party/llamafactory/requirements.lock``.
"""

from __future__ import annotations

from typing import Any

from orchestrator.environments.environment import Environment
from orchestrator.inside.sound import RATE
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_trainer
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.llamafactory.settings import ATTENTION, thinking_arguments


def train_arguments(recipe: Recipe, inputs: TrainInputs, environment: Environment) -> dict[str, Any]:
    """LLaMA-Factory's training arguments for a recipe, without the recipe's `train.extra`."""
    train, model = recipe.training, recipe.model
    arguments: dict[str, Any] = {
        "model_name_or_path": inputs.model,
        "template": model.template,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": train.finetuning,
        "flash_attn": ATTENTION[model.attention],
        "dataset_dir": inputs.data,
        "dataset": "train",
        "cutoff_len": train.max_length,
        "overwrite_cache": True,
        # the first process reads the header of every video while the others wait: half an hour is too little for 50,000
        "ddp_timeout": 180_000_000,
        "per_device_eval_batch_size": train.eval_batch_size or train.micro_batch_size,
        **hf_trainer.arguments(recipe),
        **thinking_arguments(recipe),
    }
    # below 1, transformers 5 reads warmup_steps as a share of all steps (warmup_ratio is going away)
    arguments["warmup_steps"] = arguments.pop("warmup_ratio")
    if model.revision:
        arguments["model_revision"] = model.revision
    if model.trust_remote_code:
        arguments["trust_remote_code"] = True
    if train.finetuning == "lora":
        arguments |= hf_trainer.lora_arguments(recipe) | {"lora_target": train.lora.target}
    arguments["eval_strategy"] = "no"
    if recipe.select.strategy == "best_eval":
        # the trainer then keeps the best checkpoint besides the last, without loading it at the end
        arguments |= {
            "eval_strategy": arguments["save_strategy"],
            "compute_accuracy": True,
            "metric_for_best_model": "eval_accuracy",
            "greater_is_better": True,
            "eval_dataset": "dev",
        }
        if train.save_steps:
            arguments["eval_steps"] = train.save_steps
    if recipe.prompt.train_system == "":
        arguments["default_system"] = ""  # not even the chat template's own
    if recipe.shows_clips:
        arguments |= clip_arguments(recipe)
    return arguments | hf_trainer.device_arguments(recipe, inputs.device, environment)


def clip_arguments(recipe: Recipe, *, training: bool = True) -> dict[str, Any]:
    """The settings of frames and sound."""
    found = video_arguments(recipe, training=training) if recipe.shows_video else {}
    if recipe.hears:
        found |= {"audio_sampling_rate": RATE, "use_audio_in_video": recipe.shows_video}
    return found


def video_arguments(recipe: Recipe, *, training: bool = True) -> dict[str, Any]:
    """The settings under which exactly `video.frames` frames are taken, evenly spaced, from any clip.

    With `video.training`, so many frames a second instead, up to a number, but in training alone.
    """
    if training and (seen := recipe.video.training):
        return {"video_fps": seen.fps, "video_maxlen": seen.frames, "video_max_pixels": seen.max_pixels}
    return {"video_fps": 100.0, "video_maxlen": recipe.video.frames, "video_max_pixels": recipe.video.max_pixels}
