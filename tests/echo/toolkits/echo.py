"""The toolkit ``echo``: JSON lines, ``tests/echo/program.py`` under this interpreter, the trainer's output folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from orchestrator.environments.environment import Environment
from orchestrator.machine.files import read_json
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import _hf_trainer as hf_trainer
from orchestrator.toolkits._common import TrainerToolkit, process_environment
from orchestrator.toolkits._hf_trainer import OUTPUT, STATE
from orchestrator.toolkits.base import Command, TrainInputs

PROGRAM = Path(__file__).resolve().parent.parent / "program.py"


class ThisPython(Environment):
    """The interpreter that runs the tests: always ready."""

    @property
    def python(self) -> Path:
        return Path(sys.executable)

    @property
    def bin(self) -> Path:
        return self.python.parent

    @property
    def lock_digest(self) -> str:
        return "echo"

    def state(self) -> str:
        return "ready"

    def toolkit_version(self) -> str:
        return "echo 1"


class Echo(TrainerToolkit):
    name = "echo"
    suffix = ".jsonl"

    def __init__(self) -> None:
        self.environment = ThisPython(self.name, PROGRAM.parent, "3", {"pypi": "echo==1"}, "pass")

    def problems(self, recipe: Recipe) -> list[str]:
        return []

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        rows = ({"prompt": one.prompt, "answer": one.answer, "video": one.sample.video} for one in examples)
        return sum(bool(file.write(f"{json.dumps(row)}\n")) for row in rows)

    def _command(self, kind: str, config: Mapping[str, Any], recipe: Recipe, name: str = "config.json") -> Command:
        argv = (str(self.environment.python), str(PROGRAM), kind, name)
        return Command(argv, process_environment(recipe, "cpu"), {name: json.dumps(config, indent=2) + "\n"})

    def init_model(self, recipe: Recipe, corpus: str) -> Command:
        return self._command("init", {"corpus": corpus}, recipe)

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        train = recipe.train
        assert train is not None
        config = {
            "model": inputs.model,
            "data": inputs.data,
            "resume": inputs.resume,
            "batch_size": train.batch_size,
            "epochs": train.epochs,
            "save_steps": train.save_steps,
        }
        return self._command("train", config, recipe)

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        config, state = read_json(folder / "config.json"), read_json(folder / OUTPUT / STATE) or {}
        expected = -(-rows * config["epochs"] // config["batch_size"])
        found = hf_trainer.output_problems(folder / OUTPUT)
        if state and state["global_step"] != expected:
            found.append(f"it ended at step {state['global_step']}, not {expected:g}")
        return found

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        shard = config.get("shard")
        return self._command("infer", config, recipe, f"config.{shard[0]}.json" if shard else "config.json")

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        return self._command("merge", {"model": model, "adapter": adapter}, recipe)

    def runner_sources(self, kind: str) -> Sequence[Path]:
        return [PROGRAM]


TOOLKIT = Echo()
