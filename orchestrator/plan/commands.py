"""The exact command of each stage that starts a process, as `plan` shows it and a run starts it. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.machine.slurm_job import in_slurm_job
from orchestrator.plan.devices import inference_processes
from orchestrator.plan.outputs import SelectOutputs
from orchestrator.plan.plan import Plan, Stage
from orchestrator.prompts.examples import label_answers
from orchestrator.toolkits.base import Command, TrainInputs
from orchestrator.toolkits.programs import saving_between

REQUESTS, PREDICTIONS = "requests.jsonl", "predictions.jsonl"
KEPT = "data"  # in a training's folder: the converted files without the samples that are too long


def command_of(plan: Plan, stage: Stage, device: str) -> Command | None:
    """A stage's command, the first of several that share the requests; ``None`` where the orchestrator does the work.

    Before selection has run, a checkpoint reads ``checkpoint-<chosen by select>``.
    """
    if stage.kind == "init":
        return init_command(plan)
    if stage.kind == "train":
        return train_command(plan, stage, device)
    if stage.kind == "infer":
        return infer_commands(plan, stage, stage.folder, device, chosen_checkpoint(stage))[0]
    if stage.kind == "merge":
        return merge_command(plan, stage)
    return None


def describe(plan: Plan, stage: Stage, device: str) -> tuple[list[str], dict[str, str]]:
    """What a stage's ``stage.json`` says about its process: argv, and what is added to the environment.

    No secret can be in there: a recipe with one is refused, and what the user's shell exports is not stored.
    """
    command = command_of(plan, stage, device)
    return (list(command.argv), dict(command.env)) if command else ([], {})


def model_path(plan: Plan, stage: Stage, folder: Path) -> str:
    """The base model as a process in `folder` names it: relative for our own, so that a runs folder can move."""
    if init := stage.need("init"):
        return os.path.relpath(init.folder / "model", folder)
    path = plan.recipe.model.path
    assert path is not None
    local = Path(path).expanduser()
    return str(local.resolve()) if local.is_dir() else path


def chosen_checkpoint(stage: Stage) -> Path | None:
    """The checkpoint that a stage's selection chose, or will choose; ``None`` for a zero-shot job."""
    return _chosen(stage) if stage.need("select") else None


def _chosen(stage: Stage) -> Path:
    select = stage.input("select")
    if not select.done:
        return stage.input("train").folder / "checkpoint-<chosen by select>"
    return Path(os.path.normpath(select.folder / select.outputs(SelectOutputs).path))


def init_command(plan: Plan) -> Command:
    """Makes a model from scratch."""
    return plan.trainer.init(plan.recipe, "corpus.jsonl")


def train_command(plan: Plan, stage: Stage, device: str, resume: str | None = None) -> Command:
    """Trains, from a checkpoint where one is given."""
    data, recipe = stage.input("convert"), plan.recipe_of(stage)
    kept = recipe.training.on_too_long == "skip"
    inputs = TrainInputs(
        model=model_path(plan, stage, stage.folder),
        data=KEPT if kept else os.path.relpath(data.folder, stage.folder),
        device=device,
        resume=resume,
    )
    command = plan.trainer.train(recipe, inputs)
    minutes = recipe.training.save_minutes
    if not plan.trainer.saves_between or not (minutes or in_slurm_job()):
        return command
    return replace(command, argv=saving_between(command.argv, minutes or 0))


def infer_commands(
    plan: Plan, stage: Stage, folder: Path, device: str, checkpoint: Path | None, gpus: Sequence[str] = ()
) -> list[Command]:
    """Have a checkpoint answer the requests in `folder`; the configurations' paths are as seen from there.

    ``gpus``: those that the processes share; all that can be seen where none are given.
    """
    recipe = plan.recipe_of(stage)
    inference, train = recipe.inference, recipe.train
    full = train is not None and train.finetuning == "full"
    relative = os.path.relpath(checkpoint, folder) if checkpoint else None
    config: dict[str, Any] = {
        "requests": REQUESTS,
        "predictions": PREDICTIONS,
        "model": relative if full and relative else model_path(plan, stage, folder),
        "revision": recipe.model.revision,
        "adapter": None if full else relative,
        "template": recipe.model.template,
        "finetuning": "full" if full else "lora",
        "device": device,
        "precision": inference.precision,
        "batch_size": inference.batch_size,
        "max_new_tokens": inference.max_new_tokens,
        "temperature": inference.temperature,
        "top_p": inference.top_p,
        "seed": recipe.seed,
        "frames": recipe.video.frames,
        "max_pixels": recipe.video.max_pixels,
        "max_length": train.max_length if train else None,
        "trust_remote_code": recipe.model.trust_remote_code,
        "attention": recipe.model.attention,
        "parts": dict(recipe.model.parts),
    }
    if inference.answers == "labels":
        config["labels"] = {task.name: label_answers(recipe, task) for task in plan.tasks_of(stage)}
        config["label_score"] = inference.label_score
    count = inference_processes(recipe, device, len(gpus) or None)
    if count == 1:
        return [plan.engine.infer(recipe, config)]
    shards = ({"shard": [i, count], "predictions": shard_predictions(i), "answered": PREDICTIONS} for i in range(count))
    commands = [plan.engine.infer(recipe, config | shard) for shard in shards]
    if device == "cpu":  # they would all want all of the cores
        threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))}
        commands = [replace(command, env=threads | dict(command.env)) for command in commands]
    return commands


def shard_predictions(index: int | str) -> str:
    """The predictions file of one of several processes."""
    return f"predictions.{index}.jsonl"


def merge_command(plan: Plan, stage: Stage) -> Command:
    """Writes merged weights."""
    adapter = os.path.relpath(_chosen(stage), stage.folder)
    return plan.trainer.merge(plan.recipe, model_path(plan, stage, stage.folder), adapter)
