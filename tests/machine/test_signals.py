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


def test_a_signal_that_may_not_disturb_is_ignored() -> None:
    program = (
        "import os, signal; from orchestrator.machine.signals import interruptible, uninterruptible\n"
        "with interruptible():\n"
        "    with uninterruptible(): os.kill(os.getpid(), signal.SIGTERM); print('alive', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "alive\n", done.stderr
    assert "stopped by SIGTERM" in done.stderr
