"""VideoLLaMA2 (2024-09): LLaVA-like JSON, LoRA training with the Hugging Face trainer, no evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from orchestrator.machine.files import read_json
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.runners.utterance import neutraliser
from orchestrator.toolkits import _hf_trainer as hf_trainer
from orchestrator.toolkits._common import (
    ON_CPU,
    RUNNERS,
    TrainerToolkit,
    process_environment,
    torchrun,
    turns,
    write_list,
)
from orchestrator.toolkits._hf_trainer import OUTPUT
from orchestrator.toolkits._videollama2_problems import recipe_problems
from orchestrator.toolkits._videollama2_training import PROJECTOR, default_arguments, flags, part, train_arguments
from orchestrator.toolkits._whole import missing
from orchestrator.toolkits.base import Command, TrainInputs

# set in a user's shell, these would change how accelerate and DeepSpeed start
UNSET = ("ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP", "DS_ACCELERATOR")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
REPLACED = re.compile(r"Encounted error when reading (?:video|image) (.*), use \d+-th example instead")


neutralise = neutraliser("videollama2")


class VideoLlama2(TrainerToolkit):
    """VideoLLaMA2-7B, for video and text."""

    name = "videollama2"
    suffix = ".json"

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Toolkit.problems`."""
        return recipe_problems(recipe, self.environment)

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Toolkit.write_examples`: a JSON list, one record a line."""

        def record(example: Example) -> dict[str, Any]:
            prompt = neutralise(example.prompt)
            video = example.sample.video if modality == "video" else None
            conversation = turns(prompt if video is None else f"<video>\n{prompt}", example.answer)
            media = {} if video is None else {"video": video}
            return {"id": example.sample.id, **media, "conversations": conversation}

        return write_list(map(record, examples), file)

    # commands

    def _environment(self, recipe: Recipe, device: str) -> dict[str, str]:
        env = {name: value for name, value in process_environment(recipe, device).items() if name not in OFFLINE}
        if all(Path(weights).expanduser().exists() for weights in _weights(recipe)):
            env |= dict.fromkeys(OFFLINE, "1")
        # files are opened without an encoding; decord gives up on damaged clips alike in training and inference
        return {"PYTHONUTF8": "1", "DECORD_EOF_RETRY_MAX": "20480"} | env | dict(recipe.resources.env)

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Toolkit.train`."""
        train, processes = recipe.training, recipe.resources.processes
        arguments = default_arguments(inputs.device) | train_arguments(recipe, inputs, self.environment)
        arguments |= dict(train.extra)
        env = self._environment(recipe, inputs.device)
        if inputs.device == "cpu":
            env = ON_CPU | env
        argv: tuple[str, ...] = (str(RUNNERS / "videollama2_train.py"), recipe.model.attention, *flags(arguments))
        if train.deepspeed or processes > 1:
            argv = (*torchrun(processes), *argv)
        return Command((str(self.environment.python), *argv), env, unset=UNSET)

    def _answering(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        config = {**config, "parts": {role: part(recipe, role) for role in recipe.model.parts}}
        return self._runner("videollama2.py", config, self._environment(recipe, str(config["device"])), UNSET)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Toolkit.infer`."""
        return self._answering(recipe, config)

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Toolkit.merge`: a complete model that `model.path` of a zero_shot recipe can name."""
        config = {
            "merge_into": "merged",
            "model": model,
            "adapter": adapter,
            "device": "cpu",
            "precision": recipe.inference.precision,
            "attention": "auto",
        }
        return self._answering(recipe, config)

    # outputs

    def weights_problems(self, checkpoint: Path) -> list[str]:
        """See `Toolkit.weights_problems`: an adapter comes with the projector and the configuration."""
        trained = (checkpoint / hf_trainer.STATE).exists()
        wanted = ("config.json", "adapter_config.json", PROJECTOR) if trained else ()
        return missing(checkpoint, *wanted) + super().weights_problems(checkpoint)

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Toolkit.train_problems`. By itself VideoLLaMA2 trains on another sample where a video is bad."""
        found = hf_trainer.output_problems(folder / OUTPUT, self.weights_problems)
        if replaced := REPLACED.findall(log):
            found.append(f"{len(replaced)} samples were replaced by others, the first because of {replaced[0]}")
        return found + hf_trainer.row_problems(re.findall(r"Num examples = ([\d,]+)", log), rows)


def _weights(recipe: Recipe) -> list[str]:
    """All weights that a recipe's processes load: hub ids and local paths."""
    parts = dict(recipe.model.parts)
    if recipe.train is not None:
        return list(parts.values())
    complete = recipe.model.path or ""
    config = read_json(Path(complete).expanduser() / "config.json") if Path(complete).expanduser().is_dir() else None
    tower = parts.get("vision_tower") or (config or {}).get("mm_vision_tower") or ""
    return [complete, tower]


TOOLKIT = VideoLlama2()
