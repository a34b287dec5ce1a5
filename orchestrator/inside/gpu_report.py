"""What a toolkit's own torch says of the GPUs: ``start.py gpu_report.py [cpu]`` prints one JSON object.

Each device multiplies two small matrices in bf16, whose product is known exactly. With ``cpu`` the processor does, for
where there is no GPU. Nothing here fails: what goes wrong is part of what is said.
"""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

SIZE = 64  # ones, zeros and their opposites: no sum is above 64, and bf16 holds whole numbers up to 256


def told(error: BaseException) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def multiply(device: str) -> str:
    """Multiply on a device; returns what is wrong, or nothing."""
    import torch

    try:
        numbers = torch.arange(SIZE * SIZE).reshape(SIZE, SIZE)
        first, second = (numbers * 7 % 3 - 1).to(torch.bfloat16), (numbers.T * 5 % 3 - 1).to(torch.bfloat16)
        product = (first.to(device) @ second.to(device)).cpu()
        right = torch.equal(product.to(torch.int64), first.to(torch.int64) @ second.to(torch.int64))
    except Exception as error:
        return told(error)
    return "" if right else "the product of two small bf16 matrices is wrong"


def driver_cuda() -> str:
    """The newest CUDA that the driver runs programs of, e.g. ``12.4``; empty where there is no driver."""
    try:
        number = ctypes.c_int()
        failed = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return ""
    return "" if failed else f"{number.value // 1000}.{number.value % 1000 // 10}"


def import_error(name: str) -> str:
    """Why a module cannot be imported; empty where it can."""
    try:
        __import__(name)
    except BaseException as error:  # DeepSpeed may end the process where it finds no compiler
        return told(error)
    return ""


def nvcc_cuda() -> str:
    """The CUDA whose compiler torch and DeepSpeed would take, e.g. ``12.4``; empty where they find none."""
    try:
        from torch.utils.cpp_extension import CUDA_HOME

        argv = [str(Path(CUDA_HOME or "", "bin", "nvcc")), "--version"]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    except Exception:
        return ""
    found = re.search(r"release (\d+\.\d+)", said)
    return found[1] if found else ""


def gpus() -> list[dict[str, Any]]:
    """The GPUs that torch sees, in its order."""
    import torch

    found = []
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        found.append(
            {
                "name": about.name,
                "memory_gb": round(about.total_memory / 2**30, 1),
                "capability": f"{about.major}.{about.minor}",
                "wrong": multiply(f"cuda:{number}"),
            }
        )
    return found


def report(cpu: bool) -> dict[str, Any]:
    """All that is said; ``torch`` is empty where the environment has none, or where ``wrong`` keeps it from coming."""
    said: dict[str, Any] = {"torch": "", "driver_cuda": driver_cuda()}
    try:
        import torch
    except Exception as error:  # of one that is there, but lacks a library: ImportError, OSError
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        return said | {"wrong": "" if missing else told(error)}
    said |= {"torch": torch.__version__, "cuda": torch.version.cuda or "", "wrong": "", "gpus": []}
    if cpu:
        said["wrong"] = multiply("cpu")
    else:
        try:
            torch.cuda.init()
            said |= {"gpus": gpus(), "architectures": torch.cuda.get_arch_list()}
        except Exception as error:
            said["wrong"] = told(error)
    said["deepspeed"] = import_error("deepspeed")
    return said | {"nvcc_cuda": nvcc_cuda()}


def main() -> None:
    """Print it; whatever imports write goes elsewhere."""
    out, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(report(sys.argv[1:] == ["cpu"])), file=out)
