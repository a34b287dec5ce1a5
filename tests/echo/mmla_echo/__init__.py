"""The toolkit ``echo``: JSON lines, one program that counts, the trainer's output folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from orchestrator.machine.files import read_json
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.base import Command, TrainInputs
from orchestrator.toolkits.engine import LocalEngine
from orchestrator.toolkits.hf_output import OUTPUT, STATE
from orchestrator.toolkits.hf_trainer import HfTrainer
from orchestrator.toolkits.programs import Programs, process_environment

INSIDE = Path(__file__).parent / "inside"


def _command(part: Programs, kind: str, config: Mapping[str, Any], recipe: Recipe) -> Command:
    name = f"config.{config['shard'][0]}.json" if config.get("shard") else "config.json"
    files = {name: json.dumps(config, indent=2) + "\n"}
    return part.command(part.line("program", kind, name), process_environment(recipe, "cpu"), files)


class Engine(LocalEngine):
    inside = INSIDE
    starts = {"infer": "program"}  # noqa: RUF012
    generator = "echo"
    scores_labels = True

    def problems(self, recipe: Recipe) -> list[str]:
        return []

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        return _command(self, "infer", config, recipe)


class Trainer(HfTrainer):
    inside = INSIDE
    starts = dict.fromkeys(("init", "train", "merge"), "program")
    suffix = ".jsonl"
    saves_between = False  # its program counts, without transformers' trainer

    def problems(self, recipe: Recipe) -> list[str]:
        return []

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        rows = ({"prompt": one.prompt, "answer": one.answer, "video": one.sample.video} for one in examples)
        return sum(bool(file.write(f"{json.dumps(row)}\n")) for row in rows)

    def init(self, recipe: Recipe, corpus: str) -> Command:
        return _command(self, "init", {"corpus": corpus}, recipe)

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        train = recipe.training
        config = {
            "model": inputs.model,
            "data": inputs.data,
            "resume": inputs.resume,
            "batch_size": train.batch_size,
            "epochs": train.epochs,
            "save_steps": train.save_steps,
        }
        return _command(self, "train", config, recipe)

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        return _command(self, "merge", {"model": model, "adapter": adapter}, recipe)

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        config, state = read_json(folder / "config.json"), read_json(folder / OUTPUT / STATE) or {}
        expected = -(-rows * config["epochs"] // config["batch_size"])
        found = hf_output.output_problems(folder / OUTPUT)
        if state and state["global_step"] != expected:
            found.append(f"it ended at step {state['global_step']}, not {expected:g}")
        return found
