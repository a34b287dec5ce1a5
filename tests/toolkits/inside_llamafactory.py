"""Runs inside LLaMA-Factory's environment for test_llamafactory_runner.py: one start (15 s of imports) for all of it.

``start.py inside_llamafactory.py FOLDER``: makes the tiny models, answers every ``FOLDER/*.config.json``
and writes what training would feed the model into ``FOLDER/training.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from orchestrator.inside import loop
from tests.toolkits import inside_labels
from tests.toolkits.as_trained import compare
from tests.toolkits.inside import module

FOLDER = Path(sys.argv[1])


def make_models() -> None:
    init = module("llamafactory", "init")
    for job in ("text", "again", "video"):
        sys.argv[1:] = [str(FOLDER / f"{job}.init.json")]
        init.main()
    files = ("model.safetensors", "tokenizer.json")
    sums = {
        name: [hashlib.sha256((FOLDER / name / file).read_bytes()).hexdigest() for file in files]
        for name in ("text", "again")
    }
    (FOLDER / "sums.json").write_text(json.dumps(sums))


def make_adapter() -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(str(FOLDER / "text"))
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(str(FOLDER / "adapter"))


def answer_all(runner: Any) -> Any:
    video = None
    for path in sorted(FOLDER.glob("*.config.json")):
        config = json.loads(path.read_text())
        made: list[Any] = []

        def load(config: Any = config, made: list[Any] = made) -> Any:
            made.append(runner.LlamaFactoryAnswerer(config))
            return made[0]

        status = loop.run(config, load)
        (FOLDER / path.name.replace("config", "status")).write_text(str(status))
        if path.name.startswith("video"):
            video = made[0]
    return video


def compare_with_training(answerer: Any) -> None:
    """The tensors of LLaMA-Factory's training pipeline beside those of the runner, for the same samples."""
    arguments = json.loads((FOLDER / "train.json").read_text())
    requests = [json.loads(line) for line in (FOLDER / "same.jsonl").read_text().splitlines()]
    (FOLDER / "training.report.json").write_text(json.dumps(compare(answerer, arguments, requests)))


def main() -> None:
    make_models()
    make_adapter()
    runner = module("llamafactory", "infer")
    compare_with_training(answer_all(runner))
    inside_labels.report_all("llamafactory", FOLDER)
