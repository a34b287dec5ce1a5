"""LLaVA-NeXT's training flags for a recipe: the arguments of its ``llava/train/train.py`` at the pinned commit, and
transformers' ``TrainingArguments``.
"""

from __future__ import annotations

import json
from typing import Any

from orchestrator.environments.environment import Environment
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_trainer
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.llava_next.settings import ATTENTION, vision_tower

PLACEHOLDER = 8  # more tokens than a placeholder has as text


def train_arguments(recipe: Recipe, inputs: TrainInputs, environment: Environment) -> dict[str, Any]:
    """The flags for a recipe, without the recipe's `train.extra`; those that the checkpoint's configuration decides
    are added where the training runs (``inside/train.py``).
    """
    train, model = recipe.training, recipe.model
    arguments: dict[str, Any] = {
        "model_name_or_path": inputs.model,
        "model_revision": model.revision,
        "vision_tower": vision_tower(recipe),
        "version": model.template or "qwen_1_5",
        "data_path": f"{inputs.data}/train.json",
        # the files name their videos by absolute paths, and both must be given
        "image_folder": "/",
        "video_folder": "/",
        "lazy_preprocess": True,
        # exactly so many frames, from the first to the last; by default it would take one a second, however many
        "frames_upbound": recipe.video.frames,
        "force_sample": True,
        # nothing is cut: what is longer than train.max_length is not among the rows. The guard in inside/train.py
        # counts a placeholder as the text that it is not, a few tokens more
        "model_max_length": train.max_length + PLACEHOLDER,
        "attn_implementation": ATTENTION[model.attention],
        "evaluation_strategy": "no",
        **hf_trainer.arguments(recipe),
    }
    if train.finetuning == "lora":
        arguments |= {"lora_enable": True} | hf_trainer.lora_arguments(recipe, "lora_r")
    return arguments | hf_trainer.device_arguments(recipe, inputs.device, environment)


def flags(arguments: dict[str, Any]) -> tuple[str, ...]:
    """Arguments as the words of a command line, for a parser that wants `True` and `False` as words, too."""
    words: list[str] = []
    for name, value in arguments.items():
        if value is None:
            continue
        words.append(f"--{name}")
        if isinstance(value, list | tuple):
            words += map(str, value)
        else:
            words.append(json.dumps(value) if isinstance(value, dict) else str(value))
    return tuple(words)
