"""Trainings on two nodes: who is told what, the same training as on one node, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.data.demo import write_demo_data
from orchestrator.launch.slurm.node import NODE_MARK
from orchestrator.machine.environ import LAUNCHERS
from tests.running import wait_until
from tests.shared import ROOT, needs_compiler
from tests.slurm.cluster import Cluster
from tests.toolkits.conftest import ready

pytestmark = pytest.mark.slurm
WIDE = ("--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2", "--mem=1000", "--gres=gpu:3", "--parsable")
BOTH = ("first", "second")


class Job:
    """A job on two nodes that launches `spread` in a folder."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        script = folder.parent / "job.sh"
        script.write_text(f"#!/bin/bash\nexec {sys.executable} -m tests.slurm.spread {folder}\n")
        words = (*WIDE, f"--chdir={ROOT}", f"--output={folder.parent}/said", script)
        self.number = cluster.command("sbatch", *words).strip()
        wait_until(lambda: all((folder / f"{name}.json").exists() for name in BOTH), 60)

    def seen(self, name: str) -> dict[str, Any]:
        """What one of the nodes notes."""
        found: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text())
        return found

    def over(self) -> bool:
        return not self.cluster.jobs("--jobs", self.number, "--states=all") or not self.cluster.jobs()

    def processes(self, needle: str) -> list[psutil.Process]:
        """The processes of this job that have a text in their command."""
        found = []
        for process in psutil.process_iter():
            try:
                command, environment = process.cmdline(), process.environ().values()
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(str(self.folder) in word for word in [*command, *environment]):
                found += [process] if needle in " ".join(command) else []
        return found

    @property
    def outcome(self) -> str:
        path = self.folder / "outcome"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def job(cluster: Cluster, tmp_path: Path) -> Job:
    folder = tmp_path / "train-1"
    folder.mkdir()
    return Job(cluster, folder)


def test_what_the_nodes_are_told(job: Job) -> None:
    envs = [job.seen(name)["env"] for name in BOTH]
    for env in envs:
        assert [name for name in env if name.startswith(LAUNCHERS) and not name.startswith("PET_")] == []
        assert env["CUDA_VISIBLE_DEVICES"] == "1,2"  # in the same places on both, beside another training's
    assert {env[NODE_MARK] for env in envs} == {f"{job.folder}@n1", f"{job.folder}@n2"}
    assert len({env["PET_RDZV_ENDPOINT"] for env in envs}) == len({env["PET_RDZV_ID"] for env in envs}) == 1
    (job.folder / "go").write_text("")
    wait_until(lambda: job.outcome == "done", 30)
    wait_until(lambda: not job.processes(""), 20)


def test_one_node_that_fails_ends_the_other(job: Job) -> None:
    (job.folder / "go").write_text("second")
    wait_until(lambda: job.outcome == "failed: 3", 30)
    wait_until(lambda: not job.processes(""), 20)


def orchestrator(job: Job) -> psutil.Process:
    found = []
    for process in job.processes("tests.slurm.spread"):
        with contextlib.suppress(psutil.Error):  # some end meanwhile
            command = process.cmdline()
            if command[1:3] == ["-m", "tests.slurm.spread"] and "node" not in command:
                found.append(process)
    (one,) = found
    return one


def stop(job: Job) -> None:
    orchestrator(job).send_signal(signal.SIGTERM)


def cancel(job: Job) -> None:
    job.cluster.command("scancel", job.number)


def kill_srun(job: Job) -> None:
    (process,) = [process for process in job.processes("--overlap") if process.name() == "srun"][:1]
    process.kill()


def kill_step(job: Job) -> None:
    (process,) = [process for process in job.processes("launch.slurm.step") if process.name() != "srun"]
    process.kill()


@pytest.mark.parametrize(("disturb", "ended"), [(stop, True), (kill_srun, False), (kill_step, False)])
def test_nothing_is_left_on_either_node(job: Job, disturb: Callable[[Job], None], ended: bool) -> None:
    """Who is asked to end may finish what it writes, on both nodes. Of one that is killed the others may, or not."""
    disturb(job)
    wait_until(lambda: bool(job.outcome), 40)
    wait_until(lambda: not job.processes(""), 20)
    if ended:
        assert [(job.folder / f"{name}.ended").exists() for name in BOTH] == [True, True]
    assert job.outcome.startswith("interrupted" if ended else "failed")


def test_cancel_leaves_nothing(job: Job) -> None:
    cancel(job)
    wait_until(lambda: not job.processes(""), 40)
    assert [(job.folder / f"{name}.ended").exists() for name in BOTH] == [True, True]


def test_a_killed_orchestrator_leaves_nothing(job: Job) -> None:
    """Its job ends with it, and that ends what runs on the other node."""
    orchestrator(job).kill()
    wait_until(lambda: not job.processes(""), 40)
    assert not job.outcome


RECIPE = """\
extends: {root}/recipes/demo.yaml
name: {name}
data: {{root: {data}}}
train: {{deepspeed: zero2, epochs: 5, batch_size: 16, micro_batch_size: 8}}
resources: {{processes: 2, nodes: {nodes}, device: cpu}}
"""


@needs_compiler
@pytest.mark.deadline(1200)  # two trainings; DeepSpeed compiles once for each node
def test_two_nodes_train_as_one_does(cluster: Cluster, tmp_path: Path) -> None:
    """LLaMA-Factory with ZeRO-2 over gloo in two processes: the same steps and losses, wherever these run."""
    ready("llamafactory")
    data, losses = tmp_path / "data", {}
    write_demo_data(data, sizes=(64, 16, 16))
    for name, nodes in {"one": 1, "two": 2}.items():
        recipe, script = tmp_path / f"{name}.yaml", tmp_path / f"{name}.sh"
        recipe.write_text(RECIPE.format(root=ROOT, name=name, data=data, nodes=nodes))
        parts = " ".join(f"--only demo/{kind}" for kind in ("init", "convert", "train"))
        folders = f"--runs-dir {tmp_path}/runs --results-dir {tmp_path}"
        script.write_text(f"#!/bin/bash\nexec {sys.executable} -m orchestrator run {recipe} {folders} {parts}\n")
        said = tmp_path / f"{name}.out"
        words = (f"--nodes={nodes}", *WIDE[1:-1], "--wait", f"--chdir={ROOT}", f"--output={said}", script)
        cluster.command("sbatch", *words, seconds=600)
        (folder,) = tmp_path.glob(f"runs/{name}/demo/train-*")
        history = json.loads((folder / "output" / "trainer_state.json").read_text())["log_history"]
        losses[name] = [entry["loss"] for entry in history if "loss" in entry]
        states = list(folder.glob("output/checkpoint-20/global_step20/*optim_states.pt"))
        assert len(states) == 2, "one of each process, in the one folder"
        assert history[-1]["step"] == 20, "5 times 64 samples in batches of 16, of all processes together"
    assert len(losses["one"]) == 2  # of each ten steps
    assert losses["two"] == pytest.approx(losses["one"], rel=1e-6)
