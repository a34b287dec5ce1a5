"""Signals while a run is under way."""

from __future__ import annotations

import subprocess
import sys


def test_what_nohup_ignores_stays_ignored() -> None:
    program = (
        "import os, signal; from orchestrator.machine.signals import interruptible\n"
        "with interruptible(): os.kill(os.getpid(), signal.SIGHUP); print('alive')"
    )
    done = subprocess.run(["nohup", sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "alive\n", done.stderr
