"""Whether a toolkit's environment and the GPUs of this machine fit together."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from orchestrator.environments.environment import CHECK_SECONDS, Environment
from orchestrator.inside import start
from orchestrator.machine.environ import clean_environment

PROGRAM = start.HERE.with_name("gpu_report.py")
# the oldest driver that runs programs of a CUDA release, by its first number
# (docs.nvidia.com/deploy/cuda-compatibility, minor version compatibility)
OLDEST_DRIVERS = {11: 450, 12: 525, 13: 580}


@dataclass(frozen=True)
class GpuReport:
    """What came of looking at one environment.

    Attributes:
        about: its torch and the GPUs that this sees, in words.
        problems: what is wrong, each with what to do.
        notes: what else should be known.
    """

    about: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def look(environment: Environment, *, cpu: bool = False, seconds: float = CHECK_SECONDS) -> GpuReport:
    """Have an environment's own torch compute on each GPU that can be seen; with ``cpu`` on the processor instead.

    Args:
        environment: which must be built.
        cpu: for where there is no GPU.
        seconds: how long that may take.
    """
    argv = [str(environment.python), str(start.HERE), str(PROGRAM), *(["cpu"] if cpu else [])]
    try:
        done = subprocess.run(argv, env=clean_environment(), cwd=environment.venv, capture_output=True, text=True,
                              timeout=seconds)  # fmt: skip
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return GpuReport("", (f"its torch took more than {seconds:g} s; see whether nvidia-smi answers",))
    except (OSError, ValueError):
        last = done.stderr.strip().splitlines()[-1:] if "done" in locals() else []
        again = f"see whether it works at all: python -m orchestrator env check {environment.name}"
        return GpuReport("", (f"its torch could not be asked: {' '.join(last)}\n        {again}",))
    return judge(said, cpu=cpu)


def judge(said: dict[str, Any], *, cpu: bool = False) -> GpuReport:
    """What ``inside/gpu_report.py`` said, in words."""
    if not said["torch"] and said["wrong"]:
        return GpuReport(
            "", (f"its torch cannot be imported: {said['wrong']}\n        build it again: env build --force",)
        )
    if not said["torch"]:
        return GpuReport("needs no GPU: there is no torch in it")
    built = said["cuda"]
    about = f"torch {said['torch']}, built for {f'CUDA {built}' if built else 'no CUDA at all'}"
    if names := [f"{gpu['name']} ({gpu['memory_gb']:g} GB)" for gpu in said["gpus"]]:
        about += f"; sees {', '.join(names)}"
    problems = [] if cpu else _of_cuda(said, built)
    if cpu and said["wrong"]:
        problems.append(f"it cannot compute on the processor: {said['wrong']}")
    if said["deepspeed"]:
        problems.append(
            f"deepspeed cannot be imported: {said['deepspeed']}\n"
            "        trainings with train.deepspeed fail; if it misses CUDA_HOME, install the CUDA toolkit (nvcc)\n"
            "        and export CUDA_HOME"
        )
    return GpuReport(about, tuple(problems), () if cpu else tuple(_of_compiler(said, built)))


def _of_cuda(said: dict[str, Any], built: str) -> list[str]:
    """What is wrong with the driver, and with each GPU."""
    driver = said["driver_cuda"]
    if not built:
        return ["this torch is one for processors only: its lock names another, build it again with env build --force"]
    if driver and _major(driver) < _major(built):
        oldest = OLDEST_DRIVERS.get(_major(built))
        wanted = f"driver {oldest} or newer" if oldest else f"a driver for CUDA {_major(built)}"
        return [
            f"the driver is too old: it runs programs for CUDA {driver} at most, this torch was built for {built}\n"
            f"        install {wanted}, or use a machine that has it"
        ]
    if said["wrong"] or not said["gpus"]:
        reason = said["wrong"] or "it names none"
        return [f"torch sees no GPU: {reason}\n        see what nvidia-smi says, and CUDA_VISIBLE_DEVICES"]
    return [
        f"GPU {number}, {gpu['name']}, does not compute right: {gpu['wrong']}{_why(gpu, said)}"
        for number, gpu in enumerate(said["gpus"])
        if gpu["wrong"]
    ]


def _why(gpu: dict[str, Any], said: dict[str, Any]) -> str:
    """What explains that a GPU fails: programs in this torch run on what they were compiled for, and the like."""
    made_for = [name.removeprefix("sm_").rstrip("af") for name in said["architectures"] if name.startswith("sm_")]
    major = gpu["capability"].partition(".")[0]
    if not made_for or any(name[:-1] == major for name in made_for):
        return "\n        see what nvidia-smi and dmesg say of it"
    return (
        f"\n        it is of compute capability {gpu['capability']}, for which this torch was not built "
        f"({', '.join(said['architectures'])}): use another GPU for this toolkit"
    )


def _of_compiler(said: dict[str, Any], built: str) -> list[str]:
    """What stands in the way of DeepSpeed's own kernels, which only offloading needs."""
    nvcc = said["nvcc_cuda"]
    offload = "zero2_offload and zero3_offload compile a kernel with it; zero2 and zero3 need none"
    if not nvcc:
        return [f"no nvcc (neither in CUDA_HOME nor on the PATH): {offload}"]
    if built and _major(nvcc) != _major(built):
        return [f"nvcc is of CUDA {nvcc}, and DeepSpeed wants that of its torch, {built}: {offload}"]
    return []


def _major(version: str) -> int:
    return int(version.partition(".")[0])
