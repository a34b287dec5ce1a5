"""What a job of the tests does on two nodes, without any toolkit.

``python -m tests.slurm.spread FOLDER`` launches a stage as a run does, and ``... spread FOLDER node`` is what runs on
each node in place of torchrun: it notes who it is, and takes its time to end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from orchestrator.environments.environment import Environment
from orchestrator.errors import Interrupted, StageError
from orchestrator.launch.local import Launcher
from orchestrator.machine.gpus import visible_gpus
from orchestrator.machine.signals import Stop, heeding
from orchestrator.toolkits.base import Command
from tests.shared import ROOT

GRACE, SLOW = 20.0, 2.0  # seconds


def on_a_node(folder: Path) -> None:
    """Say what is seen here; at SIGTERM write for a while, as a training does that finishes a checkpoint."""
    first = "is_host=1" in os.environ["PET_RDZV_CONF"]
    name = "first" if first else "second"

    def end(_number: int, _frame: object) -> None:
        time.sleep(SLOW)
        (folder / f"{name}.ended").write_text("")
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    (folder / f"{name}.tmp").write_text(json.dumps({"pid": os.getpid(), "env": dict(os.environ)}))
    (folder / f"{name}.tmp").rename(folder / f"{name}.json")
    while not (folder / "go").exists():
        time.sleep(0.1)
    if name == (folder / "go").read_text():
        raise SystemExit(3)
    while (folder / "go").read_text():
        time.sleep(0.1)


def launch(folder: Path) -> None:
    """Launch it on the second and third GPU of each node; ``outcome`` says how it ended."""
    program = (sys.executable, "-m", "tests.slurm.spread", str(folder), "node")
    command = Command(program, {"PYTHONPATH": str(ROOT)}, nodes=2)
    stop, outcome = Stop(), "done"
    environment = Environment("llamafactory", Path("/toolkit"), "3.11", {}, "pass")
    with heeding(stop), Launcher(GRACE) as launcher:
        try:
            gpus = visible_gpus()[1:3]
            launcher.run([command], folder, environment=environment, gpus=gpus, stop=stop, grace=GRACE)
        except Interrupted:
            outcome = "interrupted"
        except StageError as error:
            outcome = f"failed: {error.exit_status}"
    (folder / "outcome").write_text(outcome)


if __name__ == "__main__":
    (on_a_node if sys.argv[2:] else launch)(Path(sys.argv[1]))
