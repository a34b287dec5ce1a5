"""Ending processes by their mark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from orchestrator.machine import processes


def test_ignored_sigterm_is_followed_by_sigkill(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(99)"
    )
    env = dict(os.environ) | {processes.STAGE_MARK: str(tmp_path.resolve())}
    child = subprocess.Popen([sys.executable, "-c", stubborn], env=env, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert processes.end(processes.STAGE_MARK, str(tmp_path.resolve()), grace=0.3) == 1
    assert child.wait(30) == -signal.SIGKILL
    child.stdout.close()
