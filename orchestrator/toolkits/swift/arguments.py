"""ms-swift's training arguments for a recipe.

They follow its ``SftArguments`` and transformers' ``TrainingArguments`` as pinned in
``third_party/swift/requirements.lock``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.benchmark.thinking import ON
from orchestrator.environments.environment import Environment
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_trainer
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.swift.settings import model_type
from orchestrator.toolkits.swift.thinking import is_formed

PRECISIONS = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
# of the whole answer, as the benchmark's own selection and its test measure it; evaluations hold it by this name
ACCURACY = "eval_seq_acc"


def train_arguments(recipe: Recipe, inputs: TrainInputs, environment: Environment) -> dict[str, Any]:
    """swift's training arguments for a recipe, without the recipe's `train.extra`."""
    train, model = recipe.training, recipe.model
    arguments: dict[str, Any] = {
        "model": inputs.model,
        **model_type(recipe),
        "use_hf": True,
        "check_model": False,
        "tuner_type": train.finetuning,
        "torch_dtype": PRECISIONS[train.precision],
        "dataset": [f"{inputs.data}/train.jsonl"],
        "max_length": train.max_length,
        # else bad samples are replaced by others, and too long ones are left out
        "strict": True,
        "add_version": False,
        "per_device_eval_batch_size": train.eval_batch_size or train.micro_batch_size,
        "data_seed": recipe.seed,
        "acc_strategy": "seq",
        **hf_trainer.arguments(recipe),
    }
    if model.revision:
        arguments["model_revision"] = model.revision
    if model.attention != "auto":
        arguments["attn_impl"] = model.attention
    if train.finetuning == "lora":
        target = train.lora.target
        arguments |= {
            **hf_trainer.lora_arguments(recipe),
            "target_modules": ["all-linear"] if target == "all" else [name.strip() for name in target.split(",")],
        }
    if recipe.select.strategy == "best_eval":
        # the trainer then keeps the best checkpoint besides the last
        arguments |= {
            "val_dataset": [f"{inputs.data}/dev.jsonl"],
            "metric_for_best_model": ACCURACY,
            "greater_is_better": True,
        }
    arguments["eval_strategy"] = arguments["save_strategy"] if recipe.select.strategy == "best_eval" else "no"
    if arguments["eval_strategy"] == "steps":
        arguments["eval_steps"] = train.save_steps
    if recipe.prompt.train_system == "":
        arguments["system"] = ""  # not even the chat template's own
    if is_formed(recipe):
        # the empty thought of an answer has its loss, or is part of the prompt, see inside/forms.py
        arguments |= {"enable_thinking": model.thinking == ON, "disable_ignore_empty_think": True}
    if train.deepspeed:
        arguments["deepspeed"] = str(environment.deepspeed_file(train.deepspeed))
    if inputs.device == "cpu":
        arguments["use_cpu"] = True
        if train.deepspeed or recipe.resources.processes > 1:
            arguments["ddp_backend"] = "gloo"
    return arguments


def loader_defaults(recipe: Recipe, device: str) -> dict[str, Any]:
    """Processes that decode videos ahead; `train.extra` may say otherwise. A CPU has no time for more."""
    if device == "cpu":
        return {"dataloader_num_workers": 0}
    return {"dataloader_num_workers": 4} if recipe.shows_clips else {}


def command_line(arguments: Mapping[str, Any]) -> list[str]:
    """Arguments as swift's parser reads them: ``--key value ...``; ``None`` leaves one out."""
    line: list[str] = []
    for key, value in arguments.items():
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        line += [f"--{key}", *map(_text, values)]
    return line


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
