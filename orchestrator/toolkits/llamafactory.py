"""LLaMA-Factory 0.9.5: sharegpt JSON, one YAML file per training, checkpoints of the Hugging Face trainer."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import yaml

from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.runners.utterance import neutraliser
from orchestrator.toolkits import _hf_trainer as hf_trainer
from orchestrator.toolkits._common import (
    ON_CPU,
    RUNNERS,
    TrainerToolkit,
    attention_problems,
    entries,
    parts_problems,
    process_environment,
    refused_options,
    template_problems,
    torchrun,
    turns,
    write_list,
)
from orchestrator.toolkits._hf_trainer import OUTPUT
from orchestrator.toolkits._llamafactory_training import ATTENTION, train_arguments
from orchestrator.toolkits.base import Command, Progress, TrainInputs

CACHE = "cache"
# set in a user's shell, these would send LLaMA-Factory down other paths
UNSET = ("FORCE_TORCHRUN", "USE_V1", "USE_RAY", "USE_MCA", "USE_KT", "ALLOW_EXTRA_ARGS", "LLAMABOARD_ENABLED")
# options under which the rows or the prompts of training are no longer those that were converted
REFUSED = {
    "packing": "several samples in one sequence would not be counted as the samples they are; leave it out",
    "neat_packing": "several samples in one sequence would not be counted as the samples they are; leave it out",
    "max_samples": "use data.limit, which inference and the results know of",
    "default_system": "use prompt.system, which inference knows of",
}
# Qwen2-VL: a token is 2 x 2 patches of 14 x 14 pixels of two frames
PIXELS_PER_TOKEN = 28 * 28
neutralise = neutraliser("llamafactory")


class LlamaFactory(TrainerToolkit):
    """LLaMA-Factory, for text models and Qwen2-VL."""

    name = "llamafactory"
    suffix = ".json"
    training_video = True
    history = True

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Toolkit.problems`."""
        found = []
        if recipe.model.template is None:
            found.append("LLaMA-Factory needs the model's `template` (its chat format), e.g. template: qwen")
        else:
            found += template_problems(recipe.model.template, self.environment.names("template"))
        found += attention_problems(recipe, self.environment)
        found += parts_problems(recipe.model.parts, (), "LLaMA-Factory")
        train = recipe.train
        if train:
            seen = recipe.video.training or recipe.video
            tokens = -(-seen.frames // 2) * seen.max_pixels // PIXELS_PER_TOKEN
            if recipe.modality == "video" and tokens >= train.max_length:
                found.append(
                    f"{seen.frames} frames of up to {seen.max_pixels} pixels are up to {tokens} "
                    f"tokens, but train.max_length is {train.max_length}: LLaMA-Factory would cut the answers off; "
                    "raise it, or lower video.frames or video.max_pixels"
                )
            owned = train_arguments(recipe, TrainInputs(model="", data="", device="cpu"), self.environment)
            found += refused_options(recipe, owned, REFUSED, self.environment)
        return found

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Toolkit.write_examples`: a JSON list, one record a line."""

        def record(example: Example) -> dict[str, Any]:
            video = modality == "video" and example.sample.video is not None
            prompt = neutralise(example.prompt)
            made: dict[str, Any] = {
                "id": example.sample.id,
                "conversations": turns(f"<video>{prompt}" if video else prompt, example.answer),
            }
            if modality == "video":
                made["videos"] = [example.sample.video] if video else []
            if example.system is not None:
                made["system"] = example.system
            return made

        return write_list(map(record, examples), file)

    def dataset_files(self, splits: Sequence[str], modality: str, *, system: bool) -> dict[str, str]:
        """See `Toolkit.dataset_files`."""
        columns = {"messages": "conversations"}
        if system:
            columns["system"] = "system"
        if modality == "video":
            columns["videos"] = "videos"
        info = {
            split: {"file_name": f"{split}{self.suffix}", "formatting": "sharegpt", "columns": columns}
            for split in splits
        }
        return {"dataset_info.json": json.dumps(info, indent=2) + "\n"}

    # commands

    def _environment(self, recipe: Recipe, device: str) -> dict[str, str]:
        # the data is local; the shared cache would hand out old features for videos changed under the same name
        return {"HF_DATASETS_OFFLINE": "1", "HF_DATASETS_CACHE": CACHE} | process_environment(recipe, device)

    def init_model(self, recipe: Recipe, corpus: str) -> Command:
        """See `Toolkit.init_model`."""
        init = recipe.model.init
        assert init is not None
        config = {
            "out": "model",
            "config": init.config,
            "vocab_size": init.vocab_size,
            "corpus": corpus,
            "seed": recipe.seed,
            "template": recipe.model.template,
        }
        return self._runner("random_init.py", config, self._environment(recipe, "cpu"), UNSET)

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Toolkit.train`."""
        train = recipe.training
        arguments = train_arguments(recipe, inputs, self.environment) | dict(train.extra)
        if inputs.resume:
            arguments["resume_from_checkpoint"] = inputs.resume
        env = self._environment(recipe, inputs.device)
        processes = recipe.resources.processes
        launcher: tuple[str, ...] = ()
        if train.deepspeed or processes > 1:
            # what llamafactory-cli itself would start, without its splitting of paths at spaces
            launcher = torchrun(processes)
            if inputs.device == "cpu":
                env = ON_CPU | env
        argv = (str(self.environment.python), *launcher, str(RUNNERS / "llamafactory_train.py"), "train.yaml")
        text = yaml.safe_dump(arguments, sort_keys=False, allow_unicode=True)
        return Command(argv, env, {"train.yaml": text}, UNSET)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Toolkit.infer`."""
        config = {**config, "attention": ATTENTION[recipe.model.attention]}
        return self._runner("llamafactory.py", config, self._environment(recipe, str(config["device"])), UNSET)

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Toolkit.merge`."""
        arguments = {
            "model_name_or_path": model,
            "adapter_name_or_path": adapter,
            "template": recipe.model.template,
            "finetuning_type": "lora",
            "model_revision": recipe.model.revision or "main",
            "trust_remote_code": recipe.model.trust_remote_code,
            "export_dir": "merged",
            "export_device": "cpu",
            "export_size": 5,
        }
        argv = (str(self.environment.python), "-m", "llamafactory.cli", "export", "merge.yaml")
        return Command(argv, self._environment(recipe, "cpu"), {"merge.yaml": yaml.safe_dump(arguments)}, UNSET)

    # outputs

    def train_progress(self, folder: Path) -> Progress | None:
        """See `Toolkit.train_progress`: the last lines of trainer_log.jsonl."""
        steps = [entry for entry in entries(folder / OUTPUT / "trainer_log.jsonl") if "current_steps" in entry]
        if not steps:
            return None
        losses = [entry["loss"] for entry in steps if "loss" in entry]
        # its remaining_time is wrong after a resume, so the view makes its own
        return Progress(steps[-1]["current_steps"], steps[-1]["total_steps"], losses[-1] if losses else None)

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Toolkit.train_problems`. LLaMA-Factory drops rows that it cannot read and exits with status 0."""
        shutil.rmtree(folder / CACHE, ignore_errors=True)
        started = log.rfind("Running training")
        counts = re.findall(r"Num examples = ([\d,]+)", log[max(0, started) :])
        # evaluations print their own, smaller number
        return hf_trainer.output_problems(folder / OUTPUT, self.weights_problems) + hf_trainer.row_problems(
            counts[:1], rows
        )


TOOLKIT = LlamaFactory()
