"""The commands of stages."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.places import toolkit_names
from orchestrator.errors import InputError
from orchestrator.inside import start
from orchestrator.plan.commands import command_of
from orchestrator.plan.outputs import SelectOutputs
from orchestrator.toolkits.base import Command
from tests.plan.demo import demo_plan, keys
from tests.shared import ROOT
from tests.stages import finish


def test_commands(data: Path, tmp_path: Path) -> None:
    plan = demo_plan(data, runs=tmp_path / "runs")
    (job,) = plan.jobs
    commands = {stage.kind: command_of(plan, stage, "cpu") for stage in job.stages}
    assert commands["convert"] is commands["select"] is commands["score"] is None
    train = commands["train"]
    assert train is not None
    program = ROOT / "orchestrator" / "toolkits" / "llamafactory" / "inside" / "train.py"
    assert train.argv[1:] == (str(start.HERE), str(program), "train.yaml")
    assert f"../convert-{keys(plan)['convert']}" in train.files["train.yaml"]  # relative: a runs folder can move
    infer = commands["infer"]
    assert infer is not None
    assert "checkpoint-<chosen by select>" in infer.files["config.json"]
    path = f"../train-{keys(plan)['train']}/output/checkpoint-9"
    finish(job.stage("select"), outputs=SelectOutputs(strategy="last", checkpoint="checkpoint-9", step=9, path=path))
    again = command_of(plan, job.stage("infer"), "cpu")
    assert again is not None
    assert "output/checkpoint-9" in again.files["config.json"]


def test_a_runner_is_told_the_labels(data: Path) -> None:
    def config(*overrides: str) -> dict[str, Any]:
        plan = demo_plan(data, *overrides)
        command = command_of(plan, plan.jobs[0].stage("infer"), "cpu")
        assert command is not None
        return dict(json.loads(command.files["config.json"]))

    assert "labels" not in config()
    told = config("inference.answers=labels")
    labels = ["statement", "question", "command", "apology"]
    assert told["labels"] == {"demo": {"labels": labels, "answers": [f"dialogue act: {label}" for label in labels]}}
    assert told["label_score"] == "sum"
    assert config("inference.answers=labels", "inference.label_score=mean")["label_score"] == "mean"


def test_labels_need_no_length(data: Path) -> None:
    """No token is generated, so that how many may be changes nothing; of free answers it does."""
    long = "inference.max_new_tokens=9"
    assert keys(demo_plan(data, "inference.answers=labels")) == keys(demo_plan(data, "inference.answers=labels", long))
    assert keys(demo_plan(data))["infer"] != keys(demo_plan(data, long))["infer"]


@pytest.mark.parametrize("toolkit", toolkit_names())
@pytest.mark.parametrize("more", [(), ("model.init=null", "model.path=a/b"), ("method=zero_shot",)])
def test_a_plan_of_what_a_toolkit_cannot_do_is_no_fault(data: Path, toolkit: str, more: tuple[str, ...]) -> None:
    for kind in ("init", "train", "merge", "infer"):
        with contextlib.suppress(InputError):
            plan = demo_plan(data, f"model.toolkit={toolkit}", "train.finetuning=lora", *more, merge=True)
            for stage in plan.stages:
                assert stage.kind != kind or command_of(plan, stage, "cpu")


@pytest.mark.parametrize(("processes", "batch", "expected"), [(1, 16, 8), (2, 16, 4)])
def test_the_batch_is_the_same_on_any_number_of_devices(
    data: Path, tmp_path: Path, processes: int, batch: int, expected: int
) -> None:
    plan = demo_plan(data, f"train.batch_size={batch}", "train.micro_batch_size=2", f"resources.processes={processes}")
    command = command_of(plan, plan.jobs[0].stage("train"), "cuda")
    assert command is not None
    assert f"gradient_accumulation_steps: {expected}\n" in command.files["train.yaml"]
    assert ("torch.distributed.run" in command.argv) == (processes > 1)


@pytest.mark.parametrize("toolkit", [name for name in toolkit_names() if name not in ("openai_api", "echo")])
def test_on_several_nodes_torchrun_waits_for_the_others(data: Path, tmp_path: Path, toolkit: str) -> None:
    """Where they meet is not in the line: who starts it on each node says so."""

    def train(*resources: str) -> Command:
        own = ("model.init=null", "model.path=a/b", "model.parts={llm: a/c, vision_tower: a/d, projector: a/e}")
        model = (f"model.toolkit={toolkit}", *own, "train.finetuning=lora")
        batch = ("train.batch_size=16", "train.micro_batch_size=2", "train.deepspeed=zero2")
        plan = demo_plan(data, *model, *batch, *resources, runs=tmp_path / "runs")
        command = command_of(plan, plan.jobs[0].stage("train"), "cpu")
        assert command is not None
        return command

    one, two = train("resources.processes=4"), train("resources.processes=4", "resources.nodes=2")
    head = ("-m", "torch.distributed.run")
    assert one.argv[1:5] == (*head, "--standalone", "--nproc_per_node=4")
    assert two.argv[1:6] == (*head, "--nnodes=2", "--rdzv_backend=c10d", "--nproc_per_node=2")
    assert (one.nodes, two.nodes) == (1, 2)
    # the batch is the same, and all else
    assert (one.argv[5:], dict(one.files)) == (two.argv[6:], dict(two.files))
    different = {name: (one.env[name], two.env[name]) for name in one.env if one.env[name] != two.env.get(name)}
    assert different in ({}, {"LOCAL_SIZE": ("4", "2")})  # DeepSpeed's count of the processes of a machine
