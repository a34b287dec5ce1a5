"""Each setting of a recipe is part of some stage's key, or is listed here with why it may not be."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from orchestrator.checked_yaml.section import Section
from orchestrator.data.demo import write_demo_data
from orchestrator.plan.make import make_plan
from orchestrator.recipe.recipe import Recipe
from tests.recipes import shipped

ANSWERS = {"infer", "score"}
CHOICE = ANSWERS | {"select", "merge"}
TRAINING = CHOICE | {"train"}
DATA = TRAINING | {"convert"}
ALL = DATA | {"init"}
VIDEO = ("model=qwen2_vl_7b", "data.modality=video")

# by setting: what it is set to, what then is done again; and what else is set before, where it is another recipe's
CHANGES: dict[str, tuple[str, set[str], tuple[str, ...]]] = {
    "model.path": ("other/model", TRAINING, VIDEO),
    "model.revision": ("v2", TRAINING, VIDEO),
    "model.template": ("llama3", TRAINING, ()),
    "model.type": ("LLM", DATA, VIDEO[:1]),
    "model.trust_remote_code": ("true", TRAINING, ()),
    "model.attention": ("eager", TRAINING, ()),
    "model.parts": ("{projector: a/b}", TRAINING, ()),
    "model.toolkit": ("swift", ALL, ()),
    "model.init.config": ("{model_type: llama}", ALL - {"convert"}, ()),
    "model.init.vocab_size": ("400", ALL - {"convert"}, ()),
    "protocol": ("released", DATA, ("model=qwen2_7b",)),
    "seed": ("1", ALL - {"convert"}, ()),
    "data.modality": ("text", DATA, VIDEO[:1]),
    "data.on_bad_video": ("skip", DATA, VIDEO),
    "data.limit": ("5", ALL, ()),
    "data.limit_seed": ("5", ALL, ("data.limit=5",)),
    "data.columns": ("{text: Words}", ALL, ()),
    "prompt.template": ("released/infer.j2", ALL, ()),
    "prompt.system": ("Answer.", ALL, ()),
    "prompt.train_system": ("Answer.", ALL, ()),
    "prompt.history": ("[[a, b]]", ANSWERS, ()),
    "it.exclude_leaks": ("true", DATA, ("method=it",)),
    "it.leak_words": ("5", DATA, ("method=it", "it.exclude_leaks=text")),
    "it.leak_characters": ("5", DATA, ("method=it", "it.exclude_leaks=text")),
    **{f"train.{name}": (value, TRAINING, ()) for name, value in {
        "finetuning": "full", "epochs": "2", "max_steps": "9", "learning_rate": "2e-5", "batch_size": "32",
        "micro_batch_size": "2", "scheduler": "linear", "warmup_ratio": "0.2", "weight_decay": "0.3",
        "max_grad_norm": "0.5", "max_length": "99", "precision": "fp16", "save_steps": "7", "keep_checkpoints": "5",
        "on_too_long": "skip", "deepspeed": "zero2", "extra": "{a: 1}",
        "per_task": "{demo: {epochs: 2}}", "lora.rank": "4", "lora.alpha": "4",
        "lora.dropout": "0.1", "lora.target": "q_proj"}.items()},
    "select.strategy": ("last", TRAINING, ()),
    "inference.split": ("dev", ANSWERS, ()),
    "inference.max_new_tokens": ("4", ANSWERS, ()),
    "inference.temperature": ("0.5", ANSWERS, ()),
    "inference.top_p": ("0.5", ANSWERS, ("inference.temperature=1",)),
    "inference.answers": ("labels", ANSWERS, ()),
    "inference.label_score": ("mean", ANSWERS, ("inference.answers=labels",)),
    "inference.precision": ("fp16", ANSWERS | {"merge"}, ()),
    "video.frames": ("3", TRAINING, VIDEO),
    "video.max_pixels": ("999", TRAINING, VIDEO),
    "video.training": ("{frames: 64}", TRAINING, VIDEO),
    **{f"video.training.{name}": ("999", TRAINING, (*VIDEO, "video.training={frames: 9}"))
       for name in ("fps", "frames", "max_pixels")},
    # all that may change what a program computes
    "resources.env": ("{PYTHONHASHSEED: b}", ALL - {"convert"}, ()),
}  # fmt: skip
# what no key holds: that it may not, is said beside it
NONE: set[str] = set()
CHANGES |= {
    "name": ("other", NONE, ()),  # names the folder
    "description": ("other", NONE, ()),
    "model.name": ("other", NONE, ("model={name: mine, toolkit: llamafactory, type: LLM, template: qwen, path: a/b}",)),
    "model.params_b": ("0.5", NONE, ()),  # chooses the device where nobody does
    "model.gpus": ("2", NONE, ()),  # where the weights lie
    # what a hosted model costs, and when to stop
    **{f"model.prices.{name}": ("3", NONE, ("model.gpus=0", "model.prices={input: 1, output: 1}"))
       for name in ("input", "output", "cached_input", "picture_tokens", "tile_tokens")},
    "model.prices": ("{input: 1, output: 1}", NONE, ("model.gpus=0",)),
    "inference.max_cost": ("9", NONE, ("model.gpus=0",)),
    "inference.max_requests": ("9", NONE, ("model.gpus=0",)),
    "data.root": ("there", NONE, ()),  # files count by content
    "data.video_root": ("{root}/elsewhere", NONE, VIDEO),  # videos by name and size
    "train.lora": ("{rank: 3}", NONE, ("train.finetuning=full",)),  # no adapter
    "train.eval_batch_size": ("3", NONE, ()),  # changes neither weights nor answers
    "train.save_minutes": ("9", NONE, ()),  # what it saves is never chosen
    "train.report_to": ("tensorboard", NONE, ()),  # who is told how it goes
    "inference.batch_size": ("3", NONE, ()),  # of greedy answers; where they are sampled it counts
    "resources.device": ("cuda", NONE, ()),
    "resources.processes": ("2", NONE, ()),  # the batch over all of them is the same
    "resources.nodes": ("2", NONE, ("resources.processes=2",)),  # nor where the processes run
    "resources.inference_processes": ("2", NONE, ()),
    "resources.stage_timeout_hours": ("9", NONE, ()),
    "resources.stop_grace_seconds": ("9", NONE, ()),
    "resources.stall_minutes": ("9", NONE, ()),
    "resources.seconds_per_step": ("9", NONE, ()),
    "resources.seconds_per_answer": ("9", NONE, ()),
    # where a job waits, and what it is given
    **{f"slurm.{name}": (value, NONE, ()) for name, value in {
        "template": "a.j2", "partition": "a", "account": "a", "qos": "a", "time": "9", "cpus": "9", "mem": "9G",
        "constraint": "a", "gpu_option": "gpus", "gpu_type": "a100", "setup": "[a]", "extra": "{nice: 5}",
        "array_limit": "9", "requeues": "9", "prepare": "[]"}.items()},
}  # fmt: skip
# chosen by another test, or by nothing
ELSEWHERE = {"method", "tasks", "source"}


def leaves(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """The dotted names of all settings; a section that may be left out is one, too."""
    for name, field in section.model_fields.items():
        kinds = [kind for kind in (field.annotation, *typing.get_args(field.annotation))
                 if isinstance(kind, type) and issubclass(kind, Section)]  # fmt: skip
        if not kinds or field.default is None or name == "per_task":
            yield f"{above}{name}"
        if kinds and name != "per_task":
            yield from leaves(kinds[0], f"{above}{name}.")


def test_every_setting_is_here() -> None:
    sections = {"model.init", "train"}  # without them there are other stages
    assert {*CHANGES} - {"train.lora"} == {*leaves(Recipe)} - ELSEWHERE - sections


@cache
def keys(data: Path, *overrides: str) -> dict[str, str]:
    small = ("train.finetuning=lora", "train.micro_batch_size=1")
    (job,) = make_plan(shipped("demo", f"data.root={data}", *small, *overrides), Path("runs"), merge=True).jobs
    return {stage.kind: stage.key for stage in job.stages}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("every")
    write_demo_data(folder / "data", sizes=(40, 8, 8))
    (folder / "there").symlink_to("data")
    return folder / "data"


@pytest.mark.parametrize("setting", CHANGES)
def test_what_is_done_again(data: Path, setting: str) -> None:
    value, again, others = CHANGES[setting]
    value = str(data.with_name(value)) if setting == "data.root" else value
    old, new = keys(data, *others), keys(data, *others, f"{setting}={value}")
    assert {kind for kind in new if old.get(kind) != new[kind]} == again & new.keys()
