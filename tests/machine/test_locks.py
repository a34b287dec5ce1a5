"""One run at a time works on a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.machine.locks import run_lock


def test_one_run_at_a_time_and_a_killed_one_frees_the_lock(tmp_path: Path) -> None:
    program = (
        f"import time, pathlib; from orchestrator.machine.locks import run_lock\n"
        f"with run_lock(pathlib.Path({str(tmp_path)!r})): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()
    with (
        pytest.raises(InputError, match=rf"another run works on this folder \(process {other.pid}\)"),
        run_lock(tmp_path),
    ):
        pass
    other.kill()
    other.wait()
    other.stdout.close()
    with run_lock(tmp_path):
        pass
