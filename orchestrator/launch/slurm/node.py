"""The task of one node in a training on several: starts torchrun, and sees that nothing of it is left, see `nodes`.

``node.py JSON``, started by ``srun``. SIGUSR1 and SIGTERM: what it started is ended, with the grace that is given.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.machine import processes
from orchestrator.machine.environ import without_launchers
from orchestrator.machine.extensions import compiled_extensions
from orchestrator.machine.signals import die_with_parent

NODE_MARK = "MMLA_ORCHESTRATOR_NODE"  # the processes of a stage on one node: two of Slurm's may be one machine
FAILED = ".node-failed"  # the status of the first node that failed: srun kills the others, and says 137
POLL_SECONDS = 0.2
MEETING = "read_timeout=600"  # seconds until torchrun gives up waiting for the first node, which may load slowly


def environment(task: Mapping[str, Any], node: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of torchrun on a node.

    Args:
        task: what `nodes.spread` says.
        node: the node's name, as Slurm knows it.
        given: the environment of this program, with what Slurm says in it.
    """
    first = next(iter(task["addresses"]))
    env = without_launchers(given) | dict(task["environment"])
    if task["gpus"]:
        there = given["CUDA_VISIBLE_DEVICES"].split(",")
        env["CUDA_VISIBLE_DEVICES"] = ",".join(there[place] for place in task["gpus"])
    if task["extensions"]:
        env["TORCH_EXTENSIONS_DIR"] = str(Path(task["extensions"]) / node)  # nodes may differ in GPU and compiler
    return env | {
        "PET_RDZV_ENDPOINT": f"{task['addresses'][first]}:{task['port']}",
        "PET_RDZV_ID": task["id"],
        # torchrun finds by itself whether this machine is meant, but not where it has several names
        "PET_RDZV_CONF": f"is_host={int(node == first)},{MEETING}",
        "PET_LOCAL_ADDR": task["addresses"][node],
        NODE_MARK: mark(task, node),
    }


def mark(task: Mapping[str, Any], node: str) -> str:
    """What the environment of a stage's processes on a node says."""
    return f"{task['folder']}@{node}"


def main(text: str) -> int:
    """Do the task; returns torchrun's exit status, 143 where Slurm ended it, and 0 where it was asked to end.

    Another status than 0 would have ``srun`` kill the other nodes, which may still write a checkpoint.
    """
    task, node = json.loads(text), os.environ["SLURMD_NODENAME"]
    asked: list[int] = []
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    try:
        env = environment(task, node, os.environ)
    except (KeyError, IndexError):
        print(f"{node}: Slurm gives it fewer GPUs than the first node has, or none: the nodes must be alike")
        return 1
    with compiled_extensions(Path(env["TORCH_EXTENSIONS_DIR"])) if task["extensions"] else contextlib.nullcontext():
        code = _run(task, mark(task, node), env, asked)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # Python would die of one that comes at its end
    if asked:
        return 0 if asked[0] == signal.SIGUSR1 else 128 + signal.SIGTERM
    status = code if code >= 0 else 128 - code
    if status:
        with contextlib.suppress(OSError), (Path(task["folder"]) / FAILED).open("x") as file:
            file.write(str(status))
    return status


def _run(task: Mapping[str, Any], own: str, env: Mapping[str, str], asked: Sequence[int]) -> int:
    """Run torchrun until it ends, or a signal was ``asked``; its exit status, when nothing of it is left."""
    parent = os.getpid()

    def alone() -> None:
        die_with_parent(parent)
        # Slurm passes it to all processes of a task, whom it would end without any grace
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    process = subprocess.Popen(
        task["argv"],
        cwd=task["folder"],
        env=env,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=alone,
    )
    while not asked and process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
    processes.end(NODE_MARK, own, task["grace"])
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
