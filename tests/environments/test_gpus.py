"""What is said of GPUs and the environments' torch; what torch itself says is made up here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments import gpus
from orchestrator.environments.environment import Environment
from orchestrator.environments.gpus import judge, look

H100 = {"name": "NVIDIA H100 80GB HBM3", "memory_gb": 79.1, "capability": "9.0", "wrong": ""}
GOOD: dict[str, Any] = {
    "torch": "2.6.0+cu124",
    "cuda": "12.4",
    "driver_cuda": "12.2",
    "wrong": "",
    "gpus": [H100, H100],
    "architectures": ["sm_80", "sm_90"],
    "deepspeed": "",
    "nvcc_cuda": "12.8",
}


def test_all_is_well() -> None:
    found = judge(GOOD)
    gpu = "NVIDIA H100 80GB HBM3 (79.1 GB)"
    assert found.about == f"torch 2.6.0+cu124, built for CUDA 12.4; sees {gpu}, {gpu}"
    assert (found.problems, found.notes) == ((), ())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cuda": "13.0", "gpus": [], "wrong": "too old"}, "for CUDA 12.2 at most, this torch was built for 13.0\n"
         "        install driver 580 or newer"),
        ({"gpus": [], "wrong": "Found no NVIDIA driver"}, "torch sees no GPU: Found no NVIDIA driver\n"),
        ({"gpus": []}, "torch sees no GPU: it names none\n"),
        ({"gpus": [H100, H100 | {"wrong": "the product is wrong"}]}, "GPU 1, NVIDIA H100 80GB HBM3, does not compute "
         "right: the product is wrong\n        see what nvidia-smi and dmesg say"),
        ({"gpus": [H100 | {"capability": "10.0", "wrong": "no kernel image"}]}, "it is of compute capability 10.0, for "
         "which this torch was not built (sm_80, sm_90)"),
        ({"cuda": ""}, "this torch is one for processors only"),
        ({"deepspeed": "MissingCUDAException: CUDA_HOME does not exist"}, "deepspeed cannot be imported: MissingCUDA"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_to_do(changes: dict[str, Any], expected: str) -> None:
    (problem,) = judge(GOOD | changes).problems
    assert expected in problem


def test_offloading_wants_the_compiler_of_torchs_own_cuda() -> None:
    assert judge(GOOD | {"nvcc_cuda": "13.0"}).notes[0].startswith("nvcc is of CUDA 13.0, and DeepSpeed wants that of")
    assert judge(GOOD | {"nvcc_cuda": ""}).notes[0].startswith("no nvcc")


def test_on_a_processor_the_driver_does_not_count() -> None:
    no_gpu = GOOD | {"gpus": [], "driver_cuda": "", "nvcc_cuda": ""}
    assert judge(no_gpu, cpu=True).problems == ()
    assert judge(no_gpu | {"wrong": "odd"}, cpu=True).problems == ("it cannot compute on the processor: odd",)


def test_an_environment_without_torch_needs_no_gpu(toy: Environment) -> None:
    (toy.venv / "bin").mkdir(parents=True)
    toy.python.symlink_to(sys.executable)
    assert look(toy).about == "needs no GPU: there is no torch in it"


# what of torch is asked; its one GPU gives a wrong product
TORCH = """
bfloat16 = int64 = "a type"
class Matrix(list):
    def __getattr__(self, name): return lambda *_: self
    T = property(lambda self: self)
    __mul__ = __mod__ = __sub__ = __matmul__ = lambda self, other: self
arange = lambda size: Matrix()
equal = lambda first, second: False
__version__ = "9.9"
class version: cuda = "12.4"
class About: name, total_memory, major, minor = "Toy", 2**30, 9, 0
class cuda:
    init = staticmethod(lambda: None)
    device_count = staticmethod(lambda: 1)
    get_device_properties = staticmethod(lambda number: About)
    get_arch_list = staticmethod(lambda: ["sm_90"])
"""


def test_a_gpu_that_computes_wrong_is_found(toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # an own virtual environment: what is beside the interpreter of the tests may hold a torch
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", toy.venv], check=True)
    packages = next(toy.venv.glob("lib/python*/site-packages"))
    (packages / "torch.py").write_text(TORCH)
    (packages / "deepspeed.py").write_text("print('it talks'); raise SystemExit('no compiler')")
    found = look(toy)
    assert found.about == "torch 9.9, built for CUDA 12.4; sees Toy (1 GB)"
    wrong, unimportable = found.problems
    assert wrong.startswith("GPU 0, Toy, does not compute right: the product of two small bf16 matrices is wrong")
    assert unimportable.startswith("deepspeed cannot be imported: SystemExit: no compiler\n")
    assert found.notes[0].startswith("no nvcc")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "raise ImportError('libcudart.so.12: cannot open shared object file')",
            "ImportError: libcudart.so.12: cannot",
        ),
        ("raise OSError('libtorch_cuda.so: undefined symbol\\nmore')", "OSError: libtorch_cuda.so: undefined symbol"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError", "RuntimeError: "),
    ],
)
def test_a_torch_that_is_there_and_cannot_be_imported_is_wrong(toy: Environment, code: str, said: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", toy.venv], check=True)
    (next(toy.venv.glob("lib/python*/site-packages")) / "torch.py").write_text(code)
    for cpu in (False, True):
        (problem,) = look(toy, cpu=cpu).problems
        assert problem.startswith(f"its torch cannot be imported: {said}")
        assert "\n        build it again" in problem


def test_a_torch_that_cannot_be_asked(toy: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(toy).problems[0].startswith("its torch could not be asked")
    (toy.venv / "bin").mkdir(parents=True)
    toy.python.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    toy.python.chmod(0o755)
    assert look(toy, seconds=0.2).problems[0].startswith("its torch took more than 0.2 s")
    toy.python.write_text("#!/bin/sh\necho no memory >&2\nexit 1\n")
    assert "could not be asked: no memory\n" in look(toy).problems[0]
    assert gpus.PROGRAM.is_file()
