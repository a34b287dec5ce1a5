"""A training on several nodes of an allocation: ``srun`` starts one task a node, and that starts torchrun.

    launcher -> step.py (this node) -> srun -> node.py (each node) -> torchrun -> training processes

``srun`` answers SIGTERM by killing the step at once, but passes SIGUSR1 on (seen with 22.05). So it does not bear the
marks by which processes are ended: `step` does, which asks politely, and with whose death ``srun`` ends, too.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from orchestrator.errors import StageError
from orchestrator.launch.slurm import client
from orchestrator.machine.allocation import Allocation, allocation
from orchestrator.machine.gpus import visible_gpus
from orchestrator.toolkits.base import Command

END_SECONDS = 60.0  # for the end of a step that was killed
FIRST_PORT, PORTS = 20000, 20000
_BOOT = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
sys.path.append(sys.argv[2])
module = sys.argv[3]
del sys.argv[1:4]
runpy.run_module(module, run_name="__main__")
"""
_started = itertools.count()  # trainings of this process: two at once must not meet each other


def spread(command: Command, folder: Path, gpus: Sequence[str], extensions: Path | None, grace: float) -> Command:
    """The command that starts another one on several nodes of this allocation, and ends when it has ended on all.

    Args:
        command: started once on each of its ``nodes``, by torchrun.
        folder: the stage's, which all nodes see.
        gpus: those of this node that it may use; on each other node those in the same places.
        extensions: where torch compiles extensions on this node; those of the others lie beside it.
        grace: seconds that its processes have to finish what they write, when they are ended.

    Raises:
        StageError: there is no such allocation.
        InputError: Slurm does not answer.
    """
    given = allocation()
    if given is None or given.nodes < command.nodes:
        raise StageError(f"it takes an allocation of {command.nodes} nodes: `run --on slurm` asks for one")
    names = _nodes(given)[: command.nodes]
    number = next(_started)
    there = visible_gpus() if gpus else []
    task = {
        "argv": command.argv,
        "folder": str(folder.resolve()),
        "grace": grace,
        "gpus": [there.index(gpu) for gpu in gpus],
        "environment": {name: value for name, value in command.env.items() if name == "CUDA_VISIBLE_DEVICES"},
        "extensions": str(extensions.resolve().parent) if extensions else None,
        "addresses": {name: _address(name) for name in names},
        "port": _port(given.job, number),
        "id": f"{given.job}-{folder.name}-{number}",
    }
    argv = (*_program("step"), *_srun(given, names, folder), *_program("node"), json.dumps(task))
    # of all that Slurm says in an allocation; the rest would be options of srun
    return replace(command, argv=argv, env=client.cluster() | dict(command.env))


def end_step(folder: Path) -> None:
    """See that nothing of a stage runs on any node of this allocation; waits until Slurm says so.

    Raises:
        StageError: Slurm cannot end it.
        InputError: Slurm does not answer.
    """
    given, end = allocation(), time.monotonic() + END_SECONDS
    while given and (steps := client.steps(given.job, _name(folder))):
        if time.monotonic() > end:
            raise StageError(f"Slurm does not end {', '.join(steps)}: see `squeue --steps`, and `scancel` them")
        client.kill(steps)
        time.sleep(0.5)


def _srun(given: Allocation, nodes: Sequence[str], folder: Path) -> tuple[str, ...]:
    count = len(nodes)
    # 22.05 to 23.02 do not hand down --cpus-per-task: a task would have one CPU
    cpus = (f"--cpus-per-task={given.cpus}",) if given.cpus else ()
    return (
        "srun",
        f"--jobid={given.job}",
        f"--job-name={_name(folder)}",
        f"--nodes={count}",
        f"--ntasks={count}",
        "--ntasks-per-node=1",
        f"--nodelist={','.join(nodes)}",
        *cpus,
        "--mem=0",  # what the allocation has
        "--overlap",  # several trainings of one allocation share its nodes, each with GPUs of its own
        "--mpi=none",
        "--export=ALL",
        "--input=none",
        "--unbuffered",  # else a progress bar arrives at its end
        "--kill-on-bad-exit=1",
        f"--chdir={folder.resolve()}",
    )


def _program(name: str) -> tuple[str, ...]:
    """How a program beside this file is started: isolated from the working directory and PYTHON* variables."""
    # psutil's folder may be one that only the user's Python knows
    libraries, root = Path(psutil.__file__).resolve().parents[1], Path(__file__).resolve().parents[3]
    return (sys.executable, "-I", "-c", _BOOT, str(root), str(libraries), f"orchestrator.launch.slurm.{name}")


def _name(folder: Path) -> str:
    return f"mmla-{folder.name}"  # train-<key>: there is one of it in the world


def _nodes(given: Allocation) -> list[str]:
    """The nodes of an allocation, this one first: here the processes meet."""
    names = client.hosts(given.names)
    return sorted(names, key=lambda name: name != given.node)


def _address(node: str) -> str:
    """A node's name where it can be looked up, else the address that Slurm itself uses."""
    try:
        socket.getaddrinfo(node, None)
    except OSError:
        return client.address(node)
    return node


def _port(job: int, number: int) -> int:
    """A port of this machine that is free, another one for each job and each training of a job."""
    for candidate in range(job + 7 * number, job + 7 * number + PORTS):
        port = FIRST_PORT + candidate % PORTS
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("", port))
            return port
    raise StageError("no port of this machine is free between 20000 and 40000")
