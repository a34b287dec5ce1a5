"""What is seen of processes and GPUs; nvidia-smi is a stand-in."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gpu_check.measure import Look, Seen, looks, nvidia_smi, watching

# 100 MiB in use, and from the second look on a GB more on the first of two GPUs; the second tells nothing of its memory
TOOL = """#!/bin/sh
echo >> "$0.calls"
case "$1" in
*compute-apps*) echo "77, 900"; echo "78, [N/A]" ;;
*) if [ $(wc -l < "$0.calls") -gt 1 ]; then echo "GPU-a, 50, 1124"; else echo "GPU-a, 0, 100"; fi
   echo "GPU-b, 0, 10"; echo "GPU-c, [N/A], [N/A]" ;;
esac
"""


def test_rows_of_nvidia_smi() -> None:
    assert looks([["GPU-a", "40", "2048"], ["GPU-b", "[N/A]", "1"], ["odd"]], 5.0) == [Look(5.0, "GPU-a", 40, 2048)]


def test_idle_and_memory_count_gpus_that_were_used() -> None:
    first = [Look(1, "a", 0, 100), Look(2, "a", 60, 2148), Look(3, "a", 100, 1124), Look(9, "a", 0, 100)]
    seen = Seen(before={"a": 100, "b": 100}, looks=[*first, Look(2, "b", 0, 110)])
    assert seen.used() == {"a": 2048}
    assert seen.idle(2, 4) == 20
    assert seen.idle(20, 30) is None
    assert seen.memory() == "GPU 2.0 GB"
    assert Seen().memory() == "not measured"
    assert Seen().idle(0, 1) is None


def test_watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert nvidia_smi("--query-gpu=uuid") == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    with watching() as seen:
        child = subprocess.Popen([sys.executable, "-c", "x = bytearray(200 << 20); input()"], stdin=subprocess.PIPE)
        end = time.monotonic() + 20
        while time.monotonic() < end and not (seen.on_gpu and seen.together > 200 << 20):
            time.sleep(0.02)
        child.communicate(b"\n")
    assert seen.before == {"GPU-a": 100, "GPU-b": 10}
    assert seen.used() == {"GPU-a": 1024}
    assert seen.on_gpu == {77: 900}
    assert 200 << 20 < max(seen.resident.values()) <= seen.together
    # not which size: for a moment a new process is as large as the one that starts it, this one
    assert "GPU 1.0 GB, a process on a GPU up to 0.9 GB, main memory of a process 0." in seen.memory()
