"""A training on several nodes: how srun is called, and what each node is told. tests/slurm has the real Slurm."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError, StageError
from orchestrator.launch.local import Launcher
from orchestrator.launch.slurm import client, node, nodes
from orchestrator.machine.logs import LOG
from orchestrator.machine.processes import RUN_MARK, STAGE_MARK
from orchestrator.toolkits.base import Command
from tests.running import wait_until

LINE = ("python", "-m", "torch.distributed.run", "--nnodes=2", "train.py")
COMMAND = Command(LINE, {"CUDA_VISIBLE_DEVICES": "", "A": "b"}, {"train.yaml": "x"}, ("UNWANTED",), nodes=2)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An allocation of n1, n2 and n3, this one being n2; what Slurm's commands say lies in a folder, to be changed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    given = {"JOB_ID": "40123", "JOB_NUM_NODES": "3", "JOB_NODELIST": "n[1-3]", "CPUS_PER_TASK": "4",
             "CONF": "/etc/slurm.conf", "NTASKS": "3", "MEM_PER_NODE": "9"}  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("SLURMD_NODENAME", "localhost")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    names = "n1\nlocalhost\nn3"
    say(folder, "scontrol", f'case "$*" in *hostnames*) echo "{names}";; *) echo "NodeAddr=10.0.0.1";; esac')
    say(folder, "squeue", "")
    return folder


def say(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def task_of(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command.argv[-1])
    return found


@pytest.mark.usefixtures("commands")
def test_srun_starts_one_task_on_each_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    command = nodes.spread(COMMAND, tmp_path, ["5", "7"], tmp_path / "extensions" / "n1", 120)
    argv = command.argv
    start = argv.index("srun")
    assert argv[start : argv.index(sys.executable, start)] == (
        "srun", "--jobid=40123", f"--job-name=mmla-{tmp_path.name}", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1",
        "--nodelist=localhost,n1", "--cpus-per-task=4", "--mem=0", "--overlap", "--mpi=none", "--export=ALL",
        "--input=none", "--unbuffered", "--kill-on-bad-exit=1", f"--chdir={tmp_path}",
    )  # fmt: skip
    # of what Slurm says, the place of the cluster alone: the rest would be options of srun
    assert command.env == {"SLURM_CONF": "/etc/slurm.conf", "CUDA_VISIBLE_DEVICES": "", "A": "b"}
    assert (command.files, command.unset) == (COMMAND.files, COMMAND.unset)
    task = task_of(command)
    assert task["argv"] == list(LINE)
    assert (task["grace"], task["gpus"], task["folder"]) == (120, [1, 3], str(tmp_path))
    # the name where it can be looked up, else the address that Slurm has
    assert list(task["addresses"].items()) == [("localhost", "localhost"), ("n1", "10.0.0.1")]
    assert task["extensions"] == str(tmp_path / "extensions")


@pytest.mark.usefixtures("commands")
def test_two_trainings_of_an_allocation_do_not_meet(tmp_path: Path) -> None:
    one, other = (task_of(nodes.spread(COMMAND, tmp_path, [], None, 1)) for _ in range(2))
    assert one["port"] != other["port"]
    assert one["id"] != other["id"]
    assert {20000 <= task["port"] < 40000 for task in (one, other)} == {True}


def test_a_port_that_is_taken_is_not_used() -> None:
    free = nodes._port(123, 0)
    with nodes.socket.socket() as other:
        other.bind(("", free))
        other.listen()
        assert nodes._port(123, 0) != free


@pytest.mark.parametrize(("name", "first"), [("n1", 1), ("n2", 0)])
def test_what_a_node_is_told(name: str, first: int) -> None:
    task = {"addresses": {"n1": "n1.site", "n2": "10.0.0.2"}, "port": 20123, "id": "123-train-0", "folder": "/runs/t",
            "gpus": [1, 2], "environment": {"CUDA_VISIBLE_DEVICES": ""}, "extensions": "/runs/e"}  # fmt: skip
    given = {"CUDA_VISIBLE_DEVICES": "3,GPU-5,6", "SLURM_PROCID": "1", "PMI_RANK": "1", "HOME": "/home"}
    assert node.environment(task, name, given) == {
        "HOME": "/home",
        "CUDA_VISIBLE_DEVICES": "GPU-5,6",  # of those that Slurm gave this node, the ones in these places
        "TORCH_EXTENSIONS_DIR": f"/runs/e/{name}",
        "PET_RDZV_ENDPOINT": "n1.site:20123",
        "PET_RDZV_ID": "123-train-0",
        "PET_RDZV_CONF": f"is_host={first},read_timeout=600",
        "PET_LOCAL_ADDR": {"n1": "n1.site", "n2": "10.0.0.2"}[name],
        "MMLA_ORCHESTRATOR_NODE": f"/runs/t@{name}",
    }
    on_cpu = node.environment(task | {"gpus": [], "extensions": None}, name, given)
    assert on_cpu["CUDA_VISIBLE_DEVICES"] == ""  # whatever Slurm says
    assert "TORCH_EXTENSIONS_DIR" not in on_cpu


def test_outside_of_an_allocation_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(StageError, match="an allocation of 2 nodes: `run --on slurm` asks for one"):
        nodes.spread(COMMAND, tmp_path, [], None, 1)
    nodes.end_step(tmp_path)  # there is none


def test_a_step_that_still_runs_is_ended(commands: Path, tmp_path: Path) -> None:
    left = commands / "left"
    left.write_text(f"40123.batch|batch\n40123.2|mmla-other\n40123.3|mmla-{tmp_path.name}\n")
    say(commands, "squeue", f'cat {left}; echo "$@" > {commands}/asked')
    say(commands, "scancel", f'echo "$@" > {commands}/ended; : > {left}')
    nodes.end_step(tmp_path)
    assert (commands / "ended").read_text() == "--signal=KILL 40123.3\n"
    assert (commands / "asked").read_text() == "--steps --jobs=40123 --noheader --format=%i|%j\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo controller is away >&2; exit 1", "squeue fails: controller is away"),
     ("sleep 60", "squeue has not answered for 0 s")],
)  # fmt: skip
def test_slurm_that_does_not_answer_is_told(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(client, "SECONDS", 0.5)
    say(commands, "squeue", f"exec {script}" if script.startswith("sleep") else script)
    with pytest.raises(InputError, match=said):
        nodes.end_step(tmp_path)


def started(folder: Path, code: str) -> subprocess.Popen[bytes]:
    """`step.py` with a program in place of srun, and the marks of a stage."""
    argv: Sequence[str] = (*nodes._program("step"), sys.executable, "-c", textwrap.dedent(code))
    return subprocess.Popen(argv, cwd=folder, env=os.environ | {RUN_MARK: "r", STAGE_MARK: str(folder)})


SRUN = """
import os, pathlib, signal, time
def say(name, text): pathlib.Path(name + "~").write_text(text), os.rename(name + "~", name)
signal.signal(signal.SIGUSR1, lambda *_: (say("asked", "USR1"), os._exit(0)))
signal.signal(signal.SIGTERM, lambda *_: (say("asked", "TERM"), os._exit(1)))
say("ready", f"{os.getpid()} {[name for name in os.environ if name.startswith('MMLA_ORCHESTRATOR')]}")
time.sleep(600)
"""


@pytest.mark.usefixtures("signals_arrive")
@pytest.mark.parametrize(("number", "said", "status"), [("SIGTERM", "USR1", 143), ("SIGKILL", "TERM", -9)])
def test_srun_is_asked_politely_and_does_not_outlive_who_asks(
    tmp_path: Path, number: str, said: str, status: int
) -> None:
    process = started(tmp_path, SRUN)
    wait_until((tmp_path / "ready").exists)
    pid, marks = (tmp_path / "ready").read_text().split(" ", 1)
    assert marks == "[]"  # or it would be sent SIGTERM with all others, which it answers by killing the step
    process.send_signal(getattr(signal, number))
    assert process.wait(20) == status
    wait_until(lambda: not psutil.pid_exists(int(pid)))
    assert (tmp_path / "asked").read_text() == said


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_status_is_sruns(tmp_path: Path, code: str, status: int) -> None:
    assert started(tmp_path, code).wait(20) == status


def test_a_launcher_starts_the_step_and_sees_that_none_is_left(commands: Path, tmp_path: Path) -> None:
    stage = tmp_path / "train-1"
    stage.mkdir()
    say(commands, "srun", 'echo "srun $1"; env | grep -c ^SLURM_; exit 4')
    say(commands, "squeue", f"echo x >> {commands}/looked")
    home = Environment("llamafactory", Path("/toolkit"), "3.11", {}, "pass")
    with Launcher() as launcher, pytest.raises(StageError, match="ended with exit status 4"):
        launcher.run([COMMAND], stage, environment=home)
    assert re.match(r"srun --jobid=40123\n1\n", (stage / LOG).read_text())
    assert (commands / "looked").read_text() == "x\n"
    assert (stage / "train.yaml").read_text() == "x"
