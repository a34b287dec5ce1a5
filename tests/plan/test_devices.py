"""What a plan asks of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.plan import preflight
from orchestrator.plan.devices import Need, gpus_needed, machine_problems, need_of
from orchestrator.plan.plan import Plan
from tests.stages import finish
from tests.tables import plan_of_text, table


def test_no_gpu_for_a_large_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    root = tmp_path / "data"
    table(root, "Demo", "test", ("a", "Is it?", "question"))

    def said(model: str, *overrides: str) -> list[str]:
        text = f"method: zero_shot\nmodel: {model}\ntasks: [demo]\n"
        return [p.message for p in preflight.problems_of(plan_of_text(tmp_path, text, root, *overrides))]

    auto = "resources.device=auto"
    large = "Qwen2-7B needs 1 GPU, 0 can be seen here"
    assert said("qwen2_7b", auto) == [large]
    assert said("qwen2_7b") == said("qwen2_0_5b", auto) == said("tiny_qwen2", auto) == []
    own = "{name: mine, path: some/id, toolkit: llamafactory, type: LLM, template: qwen}"
    assert said(own, auto) == [], "who knows how large"
    # looking at a recipe is not running it
    text = "method: zero_shot\nmodel: qwen2_7b\ntasks: [demo]\n"
    plan = plan_of_text(tmp_path, text, root, auto)
    assert preflight.problems_of(plan, everything=True) == []
    # nor is scoring what another machine has answered
    finish(plan.jobs[0].stage("infer"))
    assert preflight.problems_of(plan) == []


TRAINS = "method: sft\nmodel: qwen2_7b\ntasks: [demo]\nresources: {processes: 8, nodes: 2, device: cuda}\n"


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of a training on two nodes; outside of any allocation, with four GPUs to be seen."""
    for name in ("SLURM_JOB_ID", "SLURM_JOB_NUM_NODES", "SLURM_JOB_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    root = tmp_path / "data"
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, ("a", "Is it?", "question"))
    return plan_of_text(tmp_path, TRAINS, root, "resources.device=cuda")


def test_several_nodes_take_as_many_gpus_of_each(wide: Plan) -> None:
    need = need_of(wide.recipe, "train", "cuda")
    assert need == Need(8, 8, nodes=2)
    assert need.on_a_node() == Need(4, 4)
    assert need_of(wide.recipe, "infer", "cuda").nodes == 1  # answers are given on the first
    assert need_of(wide.recipe, "train", "cpu") == Need(host=True, nodes=2)
    assert (gpus_needed(wide.recipe, "cuda"), gpus_needed(wide.recipe, "cuda", on_a_node=True)) == (8, 4)


def allocated(monkeypatch: pytest.MonkeyPatch, nodes: int, path: str) -> None:
    given = {"JOB_ID": "7", "JOB_NUM_NODES": str(nodes), "JOB_NODELIST": "n[1-2]"}
    for name, value in given.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("PATH", path)


def test_several_nodes_take_an_allocation(wide: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (outside,) = machine_problems(wide)
    assert outside.message == (
        "Qwen2-7B is to train on 2 nodes (resources.nodes), and this is no allocation of Slurm's"
    )
    assert "run --on slurm" in outside.hint
    assert "salloc --nodes=2 --ntasks-per-node=1" in outside.hint
    allocated(monkeypatch, 1, str(tmp_path))
    (narrow,) = machine_problems(wide)
    assert narrow.message.endswith("and this is an allocation with 1 of them")
    allocated(monkeypatch, 2, str(tmp_path))
    (no_srun,) = machine_problems(wide)
    assert no_srun.message == "`srun` is not on the PATH, which starts trainings on other nodes"
    (tmp_path / "srun").write_text("")
    (tmp_path / "srun").chmod(0o755)
    assert machine_problems(wide) == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert [found.message for found in machine_problems(wide)] == [
        "Qwen2-7B needs 4 GPUs on each node, 2 can be seen here"
    ]


def test_what_is_trained_already_takes_no_nodes(wide: Plan) -> None:
    finish(wide.jobs[0].stage("train"))
    assert machine_problems(wide) == []


@pytest.mark.parametrize(
    ("processes", "nodes", "hint"),
    [(3, 2, "2 or 4, or resources.nodes to 1"), (6, 4, "4 or 8, or resources.nodes to 1, 2, 3"),
     (1, 2, "2, or resources.nodes to 1")],
)  # fmt: skip
def test_processes_are_spread_evenly(tmp_path: Path, processes: int, nodes: int, hint: str) -> None:
    text = TRAINS.replace("processes: 8, nodes: 2", f"processes: {processes}, nodes: {nodes}")
    with pytest.raises(InputError) as caught:
        plan_of_text(tmp_path, text, tmp_path)
    found = [problem for problem in caught.value.problems if "resources.processes" in problem.message]
    assert [problem.message for problem in found] == [
        f"`resources.processes` {processes} cannot be spread evenly over {nodes} nodes"
    ]
    assert found[0].hint == f"it counts the processes of all nodes: set it to {hint}"
