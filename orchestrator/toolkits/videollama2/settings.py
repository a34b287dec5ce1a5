"""What training and inference in VideoLLaMA2 share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError
from orchestrator.machine.files import read_json
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_output, programs, whole

PROJECTOR = "non_lora_trainables.bin"
# set in a user's shell, these would change how accelerate and DeepSpeed start
UNSET = ("ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP", "DS_ACCELERATOR")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def process_environment(recipe: Recipe, device: str) -> dict[str, str]:
    """The environment variables of a process on "cpu" or "cuda"."""
    env = programs.process_environment(recipe, device)
    env = {name: value for name, value in env.items() if name not in OFFLINE}
    if all(Path(weights).expanduser().exists() for weights in _weights(recipe)):
        env |= dict.fromkeys(OFFLINE, "1")
    # files are opened without an encoding; decord gives up on damaged clips alike in training and inference
    return {"PYTHONUTF8": "1", "DECORD_EOF_RETRY_MAX": "20480"} | env | dict(recipe.resources.env)


def _weights(recipe: Recipe) -> list[str]:
    """All weights that a recipe's processes load: hub ids and local paths."""
    parts = dict(recipe.model.parts)
    if recipe.train is not None:
        return list(parts.values())
    complete = recipe.model.path or ""
    config = read_json(Path(complete).expanduser() / "config.json") if Path(complete).expanduser().is_dir() else None
    tower = parts.get("vision_tower") or (config or {}).get("mm_vision_tower") or ""
    return [complete, tower]


def part(recipe: Recipe, role: str) -> str:
    """A hub id as it stands, a local path absolute: the toolkit's processes run in the stage's folder.

    Raises:
        InputError: the recipe gives no such part.
    """
    if role not in recipe.model.parts:
        raise InputError(f"the model lacks a part that VideoLLaMA2 needs: `{role}`", recipe.place("model.parts"))
    value = recipe.model.parts[role]
    local = Path(value).expanduser()
    return str(local.resolve()) if local.exists() else value


def with_parts(recipe: Recipe, config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a program with the places of all parts."""
    return {**config, "parts": {role: part(recipe, role) for role in recipe.model.parts}}


def weights_problems(folder: Path) -> list[str]:
    """What is missing or damaged of a checkpoint: an adapter comes with the projector and the configuration."""
    trained = (folder / hf_output.STATE).exists()
    wanted = ("config.json", "adapter_config.json", PROJECTOR) if trained else ()
    return whole.missing(folder, *wanted) + whole.weights_problems(folder)
