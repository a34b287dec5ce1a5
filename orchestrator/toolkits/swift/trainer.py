"""ms-swift 4.6: messages in JSONL, `swift sft` with its arguments on the command line, our runner around its engine.

A recipe's `model.template` is swift's model type (its ``--model_type``, e.g. ``minicpmv2_6``): swift then knows how to
load the model, and picks the chat template that belongs to it. Some types have several and swift picks by the model's
published name; for a model that is called otherwise, the template stands behind a slash: ``qwen2_vl/qwen2_vl``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from orchestrator.machine.files import read_json
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.base import TRAIN_AUDIO, Command, MeasureInputs, Progress, TrainInputs
from orchestrator.toolkits.formats import media_columns
from orchestrator.toolkits.hf_output import OUTPUT
from orchestrator.toolkits.hf_trainer import HfTrainer, length_config
from orchestrator.toolkits.programs import ON_CPU, torchrun
from orchestrator.toolkits.settings import training_problems
from orchestrator.toolkits.swift.arguments import ACCURACY, command_line, loader_defaults, train_arguments
from orchestrator.toolkits.swift.inside.formed import THINKING
from orchestrator.toolkits.swift.inside.utterance import neutralise
from orchestrator.toolkits.swift.output import broken, history, progress
from orchestrator.toolkits.swift.released import LAYOUTS
from orchestrator.toolkits.swift.settings import UNSET, model_problems, model_type, process_environment
from orchestrator.toolkits.swift.thinking import FORMED, form, is_formed

CACHE = "cache"
# what swift says when it goes on without a sample (dataset/utils.py, dataset/preprocessor/core.py)
REPLACED = re.compile("another piece of data will be randomly selected|the data will be deleted")
HERE = Path(__file__).parent
MEDIA = {"": "", "videos": "<video>", "audios": "<audio>"}  # by column


class Trainer(HfTrainer):
    """ms-swift's supervised fine-tuning, LoRA or full."""

    inside = Path(__file__).parent / "inside"
    starts: Mapping[str, str] = {"train": "train", TRAIN_AUDIO: TRAIN_AUDIO, "merge": "merge"}
    unset = UNSET
    suffix = ".jsonl"
    layouts = LAYOUTS

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`."""
        found, train = model_problems(recipe, self.environment), recipe.train
        if train:
            owned = train_arguments(recipe, TrainInputs(model="", data="", device="cpu"), self.environment)
            found += training_problems(recipe, owned, self.environment, HERE)
            if recipe.resources.device == "cpu" and (train.deepspeed or "").startswith("zero3"):
                found.append("train.deepspeed: swift loads no model under ZeRO-3 on a CPU; use zero2")
        return found

    def form(self, recipe: Recipe) -> dict[str, Any]:
        """See `thinking.form_of`: of templates whose prompts are given a form of ours."""
        return form(recipe)

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Trainer.write_examples`: a JSON object with messages and clips a line."""
        encode = json.JSONEncoder(ensure_ascii=False).encode
        count = 0
        column = next(iter(media_columns(modality)), "")  # where a clip is seen and heard, it is taken for both
        for example in examples:
            clips = [example.sample.video] if example.sample.video and column else []
            prompt = neutralise(example.prompt)
            messages = [
                {"role": "user", "content": MEDIA[column] * len(clips) + prompt},
                {"role": "assistant", "content": example.answer},
            ]
            if example.system is not None:
                messages.insert(0, {"role": "system", "content": example.system})
            record: dict[str, Any] = {"messages": messages}
            if column:
                record[column] = clips
            file.write(encode(record) + "\n")
            count += 1
        return count

    # commands

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Trainer.train`."""
        train = recipe.training
        arguments = train_arguments(recipe, inputs, self.environment)
        arguments |= loader_defaults(recipe, inputs.device) | dict(train.extra)
        if inputs.resume:
            arguments["resume_from_checkpoint"] = inputs.resume
        # a shared cache would hand out old rows for files changed under the same name
        env = {"HF_DATASETS_OFFLINE": "1", "MODELSCOPE_CACHE": CACHE} | process_environment(recipe, inputs.device)
        resources = recipe.resources
        launcher: tuple[str, ...] = ()
        if train.deepspeed or resources.processes > 1:
            launcher = torchrun(resources)
            if inputs.device == "cpu":
                env = ON_CPU | env
        program = TRAIN_AUDIO if recipe.hears else "train"
        if is_formed(recipe):
            program = program if recipe.hears else FORMED
            env = env | {THINKING: recipe.model.thinking}
        line = (*launcher, *self.line(program, *command_line(arguments)))
        return self.command(line, env, nodes=resources.nodes, reports=train.report_to)

    def lengths(self, recipe: Recipe, inputs: MeasureInputs) -> Command:
        """See `Trainer.lengths`."""
        config = length_config(recipe, inputs) | ({"thinking": recipe.model.thinking} if is_formed(recipe) else {})
        return self.configured("lengths", config, process_environment(recipe, "cpu"))

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Trainer.merge`."""
        arguments = {
            "model": model,
            **model_type(recipe),
            "model_revision": recipe.model.revision,
            "use_hf": True,
            "adapters": [adapter],
            "merge_lora": True,
            "output_dir": "merged",
        }
        return self.command(self.line("merge", *command_line(arguments)), process_environment(recipe, "cpu"))

    # outputs

    def train_progress(self, folder: Path, begin: int = 0) -> Progress | None:
        """See `Trainer.train_progress`: the last lines of logging.jsonl, and the steps since."""
        return hf_output.with_bar(progress(folder / OUTPUT / "logging.jsonl"), folder, begin)

    def evaluations(self, folder: Path) -> list[tuple[int, float]]:
        """See `Trainer.evaluations`: the share of dev answers that are right in every token."""
        return [(row["step"], row[ACCURACY]) for row in self._history(folder) if ACCURACY in row]

    def losses(self, folder: Path) -> list[tuple[int, float]]:
        """See `Trainer.losses`."""
        return [(row["step"], row["loss"]) for row in self._history(folder) if "loss" in row]

    def _history(self, folder: Path) -> list[dict[str, Any]]:
        return max(map(history, self.checkpoints(folder)), key=len, default=[])

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Trainer.train_problems`. swift writes its summary after a failure, too: only checkpoints count."""
        shutil.rmtree(folder / CACHE, ignore_errors=True)
        checkpoints = self.checkpoints(folder)
        if not checkpoints:
            return ["it left no complete checkpoint"]
        state = read_json(checkpoints[-1].path / hf_output.STATE)
        found = []
        if state["global_step"] < state.get("max_steps", 1):
            found.append(f"its last complete checkpoint is step {state['global_step']} of {state['max_steps']}")
        found += broken(state.get("log_history", []))
        counts = re.findall(r"train_dataset: Dataset\(\{.*?num_rows: (\d+)", log, re.DOTALL)
        found += hf_output.row_problems(counts, rows)
        if REPLACED.search(log):
            found.append("it replaced or left out samples that it could not read; its log says which")
        return found
