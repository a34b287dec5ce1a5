"""Which GPUs are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.machine.gpus import _listed_gpus, driver, visible_gpus


def test_visible_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in {
        "": [],
        "-1": [],
        "3,1": ["3", "1"],
        "0,-1,2": ["0"],
        "GPU-8f": ["GPU-8f"],
        "1,0,1": ["1", "0"],
    }.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert visible_gpus() == expected


def test_gpus_that_only_nvidia_smi_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100'\necho '  MIG 1g.10gb'\necho 'GPU 1: NVIDIA H100'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    _listed_gpus.cache_clear()
    assert _listed_gpus() == 2
    tool.unlink()
    _listed_gpus.cache_clear()
    assert _listed_gpus() == 0
    _listed_gpus.cache_clear()


def test_the_driver_and_its_gpus_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert driver() == ""
    tool.write_text(
        "#!/bin/sh\necho '550.54.15, 0, NVIDIA H100, 81559 MiB'\necho '550.54.15, 1, NVIDIA L4, 23034 MiB'\n"
    )
    tool.chmod(0o755)
    assert driver() == "driver 550.54.15; GPU 0: NVIDIA H100, 81559 MiB; GPU 1: NVIDIA L4, 23034 MiB"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\n")
    assert driver() == ""
