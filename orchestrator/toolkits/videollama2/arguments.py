"""VideoLLaMA2's training arguments for a recipe.

They follow the dataclasses of ``videollama2/train.py`` at the commit in ``third_party/videollama2/environment.yaml``,
and transformers' ``TrainingArguments`` as pinned in ``requirements.lock`` there.
"""

from __future__ import annotations

from typing import Any

from orchestrator.environments.environment import Environment
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_trainer
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.videollama2.settings import PROJECTOR, part


def train_arguments(recipe: Recipe, inputs: TrainInputs, environment: Environment) -> dict[str, Any]:
    """VideoLLaMA2's training arguments for a recipe with all its ``model.parts``, without `default_arguments`."""
    train = recipe.training
    arguments: dict[str, Any] = {
        "model_type": "videollama2",
        "model_path": part(recipe, "llm"),
        "vision_tower": part(recipe, "vision_tower"),
        # the trainer's own resume forgets the projector, which is trained along with the adapter
        "pretrain_mm_mlp_adapter": f"{inputs.resume}/{PROJECTOR}" if inputs.resume else part(recipe, "projector"),
        "lora_enable": True,
        **hf_trainer.lora_arguments(recipe, "lora_r"),
        "data_path": f"{inputs.data}/train.json",
        "data_folder": ".",  # videos are named by absolute paths, but without it joining paths fails
        "image_aspect_ratio": "pad",
        "num_frames": recipe.video.frames,
        "model_max_length": train.max_length,
        "log_level": "info",  # says on how many samples it trains
        "evaluation_strategy": "no",  # it has no evaluation
        "ddp_find_unused_parameters": False,  # gradient checkpointing in several processes wants that
        **hf_trainer.arguments(recipe),
    }
    return arguments | hf_trainer.device_arguments(recipe, inputs.device, environment)


def default_arguments(device: str) -> dict[str, Any]:
    """What the release's scripts set and a recipe's `train.extra` may change."""
    return {
        "mm_projector_type": "stc_connector",
        "mm_vision_select_layer": -2,
        "gradient_checkpointing": True,
        "dataloader_num_workers": 4 if device == "cuda" else 0,
    }


def flags(arguments: dict[str, Any]) -> list[str]:
    """``--name value`` for a command line, as transformers' argument parser reads it."""
    return [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
