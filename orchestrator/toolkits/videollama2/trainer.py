"""VideoLLaMA2's training: LLaVA-like JSON, LoRA with the Hugging Face trainer, no evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.base import Command, MeasureInputs, TrainInputs
from orchestrator.toolkits.formats import turns, write_list
from orchestrator.toolkits.hf_output import OUTPUT
from orchestrator.toolkits.hf_trainer import HfTrainer, length_config
from orchestrator.toolkits.programs import ON_CPU, torchrun
from orchestrator.toolkits.videollama2.arguments import default_arguments, flags, train_arguments
from orchestrator.toolkits.videollama2.inside.utterance import neutralise
from orchestrator.toolkits.videollama2.problems import recipe_problems
from orchestrator.toolkits.videollama2.released import LAYOUTS
from orchestrator.toolkits.videollama2.settings import UNSET, process_environment, weights_problems, with_parts

REPLACED = re.compile(r"Encounted error when reading (?:video|image) (.*), use \d+-th example instead")


class Trainer(HfTrainer):
    """VideoLLaMA2's fine-tuning with LoRA."""

    inside = Path(__file__).parent / "inside"
    starts: Mapping[str, str] = {"train": "train", "merge": "infer"}
    unset = UNSET
    suffix = ".json"
    layouts = LAYOUTS
    weights_problems = staticmethod(weights_problems)

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`."""
        return recipe_problems(recipe, self.environment)

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Trainer.write_examples`: a JSON list, one record a line."""

        def record(example: Example) -> dict[str, Any]:
            prompt = neutralise(example.prompt)
            video = example.sample.video if modality == "video" else None
            conversation = turns(prompt if video is None else f"<video>\n{prompt}", example.answer)
            media = {} if video is None else {"video": video}
            return {"id": example.sample.id, **media, "conversations": conversation}

        return write_list(map(record, examples), file)

    # commands

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Trainer.train`."""
        train, resources = recipe.training, recipe.resources
        arguments = default_arguments(inputs.device) | train_arguments(recipe, inputs, self.environment)
        arguments |= dict(train.extra)
        env = process_environment(recipe, inputs.device)
        if inputs.device == "cpu":
            env = ON_CPU | env
        line = self.line("train", recipe.model.attention, *flags(arguments))
        if train.deepspeed or resources.processes > 1:
            line = (*torchrun(resources), *line)
        return self.command(line, env, nodes=resources.nodes, reports=train.report_to)

    def lengths(self, recipe: Recipe, inputs: MeasureInputs) -> Command:
        """See `Trainer.lengths`."""
        return self.configured(
            "lengths", with_parts(recipe, length_config(recipe, inputs)), process_environment(recipe, "cpu")
        )

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Trainer.merge`: a complete model that `model.path` of a zero_shot recipe can name."""
        config = {
            "merge_into": "merged",
            "model": model,
            "adapter": adapter,
            "device": "cpu",
            "precision": recipe.inference.precision,
            "attention": "auto",
        }
        return self.configured("infer", with_parts(recipe, config), process_environment(recipe, "cpu"))

    # outputs

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Trainer.train_problems`. By itself VideoLLaMA2 trains on another sample where a video is bad."""
        found = hf_output.output_problems(folder / OUTPUT, self.weights_problems)
        if replaced := REPLACED.findall(log):
            found.append(f"{len(replaced)} samples were replaced by others, the first because of {replaced[0]}")
        return found + hf_output.row_problems(re.findall(r"Num examples = ([\d,]+)", log), rows)
