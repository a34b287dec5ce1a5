"""Runs ``srun`` for a training on several nodes: ``step.py srun ARGUMENT...``; bears its marks, see `nodes`.

SIGTERM: its processes are asked to end, each with its grace. SIGKILL: ``srun`` ends with this one, and it kills the
step on all nodes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.launch.slurm import node
from orchestrator.machine.processes import RUN_MARK, STAGE_MARK
from orchestrator.machine.signals import die_with_parent

FAILED = Path(node.FAILED)  # in the stage's folder, which is the working directory
ASK = signal.SIGUSR1  # srun passes it on


def main(argv: Sequence[str]) -> int:
    """Run it; returns its exit status, of one that was asked to end 143."""
    asked: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def ask(number: int, _frame: object) -> None:
        asked.append(number)
        if process and process.poll() is None:
            process.send_signal(ASK)

    signal.signal(signal.SIGTERM, ask)
    FAILED.unlink(missing_ok=True)
    env = {name: value for name, value in os.environ.items() if name not in (RUN_MARK, STAGE_MARK)}
    parent = os.getpid()
    process = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=lambda: die_with_parent(parent)
    )
    if asked:  # before there was anybody to ask
        process.terminate()
    code = process.wait()
    if code and FAILED.exists():
        code = int(FAILED.read_text() or code)
        FAILED.unlink()
    return 128 + signal.SIGTERM if asked else code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
