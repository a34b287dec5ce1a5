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
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.base import TRAIN_AUDIO, Command, MeasureInputs, Progress, TrainInputs
from orchestrator.toolkits.formats import media_columns, turns, write_list
from orchestrator.toolkits.hf_output import OUTPUT
from orchestrator.toolkits.hf_trainer import HfTrainer, length_config
from orchestrator.toolkits.llamafactory.arguments import clip_arguments, train_arguments
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise
from orchestrator.toolkits.llamafactory.released import LAYOUTS
from orchestrator.toolkits.llamafactory.settings import CACHE, UNSET, model_problems, process_environment
from orchestrator.toolkits.programs import ON_CPU, torchrun
from orchestrator.toolkits.settings import training_problems
from orchestrator.toolkits.video_tokens import family_of, length_problems

HERE = Path(__file__).parent
MEDIA = {"videos": "<video>", "audios": "<audio>"}  # by column; the sound of a video stands behind it


class Trainer(HfTrainer):
    """LLaMA-Factory's supervised fine-tuning, LoRA or full."""

    inside = Path(__file__).parent / "inside"
    starts: Mapping[str, str] = {"init": "init", "train": "train", TRAIN_AUDIO: TRAIN_AUDIO}
    unset = UNSET
    suffix = ".json"
    training_video = True
    layouts = LAYOUTS

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`."""
        found = model_problems(recipe, self.environment)
        if recipe.train:
            if recipe.shows_video:
                found += length_problems(recipe, family_of(recipe, HERE))
            owned = train_arguments(recipe, TrainInputs(model="", data="", device="cpu"), self.environment)
            found += training_problems(recipe, owned, self.environment, HERE)
        return found

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Trainer.write_examples`: a JSON list, one record a line."""
        columns = media_columns(modality)

        def record(example: Example) -> dict[str, Any]:
            clips = [example.sample.video] if example.sample.video else []
            prompt = neutralise(example.prompt)
            media = "".join(MEDIA[column] for column in columns) if clips else ""
            made: dict[str, Any] = {
                "id": example.sample.id,
                "conversations": turns(f"{media}{prompt}", example.answer),
                **dict.fromkeys(columns, clips),
            }
            if example.system is not None:
                made["system"] = example.system
            return made

        return write_list(map(record, examples), file)

    def dataset_files(self, splits: Sequence[str], modality: str, *, system: bool) -> dict[str, str]:
        """See `Trainer.dataset_files`."""
        columns = {"messages": "conversations"}
        if system:
            columns["system"] = "system"
        columns |= {column: column for column in media_columns(modality)}
        info = {
            split: {"file_name": f"{split}{self.suffix}", "formatting": "sharegpt", "columns": columns}
            for split in splits
        }
        return {"dataset_info.json": json.dumps(info, indent=2) + "\n"}

    # commands

    def init(self, recipe: Recipe, corpus: str) -> Command:
        """See `Trainer.init`."""
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
        return self.configured("init", config, process_environment(recipe, "cpu"))

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Trainer.train`."""
        train = recipe.training
        arguments = train_arguments(recipe, inputs, self.environment) | dict(train.extra)
        if inputs.resume:
            arguments["resume_from_checkpoint"] = inputs.resume
        env = process_environment(recipe, inputs.device)
        resources = recipe.resources
        launcher: tuple[str, ...] = ()
        if train.deepspeed or resources.processes > 1:
            # what llamafactory-cli itself would start, without its splitting of paths at spaces
            launcher = torchrun(resources)
            if inputs.device == "cpu":
                env = ON_CPU | env
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # a plan of many recipes has hundreds of these
        text = yaml.dump(arguments, Dumper=dumper, sort_keys=False, allow_unicode=True)
        line = (*launcher, *self.line(TRAIN_AUDIO if recipe.hears else "train", "train.yaml"))
        return self.command(line, env, {"train.yaml": text}, resources.nodes, train.report_to)

    def lengths(self, recipe: Recipe, inputs: MeasureInputs) -> Command:
        """See `Trainer.lengths`."""
        asked, trained = clip_arguments(recipe, training=False), clip_arguments(recipe)
        if recipe.prompt.train_system == "":
            trained["default_system"] = ""
        config = length_config(recipe, inputs) | {"as_trained": trained, "as_asked": asked}
        return self.configured("lengths", config, process_environment(recipe, "cpu"))

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Trainer.merge`."""
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
        line = ("-m", "llamafactory.cli", "export", "merge.yaml")
        return self.command(line, process_environment(recipe, "cpu"), {"merge.yaml": yaml.safe_dump(arguments)})

    # outputs

    def train_progress(self, folder: Path, begin: int = 0) -> Progress | None:
        """See `Trainer.train_progress`: the last lines of trainer_log.jsonl, and the steps since."""
        steps = [
            entry for entry in hf_output.entries(folder / OUTPUT / "trainer_log.jsonl") if "current_steps" in entry
        ]
        losses = [entry["loss"] for entry in steps if "loss" in entry]
        # its remaining_time is wrong after a resume, so the view makes its own
        numbers = [(entry["current_steps"], entry["total_steps"]) for entry in steps[-1:]]
        logged = Progress(*numbers[0], losses[-1] if losses else None) if numbers else None
        return hf_output.with_bar(logged, folder, begin)

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Trainer.train_problems`. LLaMA-Factory drops rows that it cannot read and exits with status 0."""
        shutil.rmtree(folder / CACHE, ignore_errors=True)
        started = log.rfind("Running training")
        counts = re.findall(r"Num examples = ([\d,]+)", log[max(0, started) :])
        # evaluations print their own, smaller number
        return hf_output.output_problems(folder / OUTPUT, self.weights_problems) + hf_output.row_problems(
            counts[:1], rows
        )
