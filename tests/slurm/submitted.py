"""A recipe over the toolkit ``echo``, submitted to the test cluster as a user submits it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests import echo
from tests.run.place import Place, write_data, write_task
from tests.running import wait_until
from tests.shared import ROOT
from tests.slurm.cluster import Cluster

TWELVE = [f"T{number:02}" for number in range(1, 13)]
JOB_SECONDS = 150.0  # for one job among others on two cores, with what it waits


def write_tasks(root: Path) -> None:
    """The tasks demo and MELD, and twelve small ones."""
    write_data(root)
    for name in TWELVE:
        write_task(root, folder=name)


@dataclass
class Submitted:
    """A place whose recipe is run on a cluster; ``site`` is what its site file says beside what all need."""

    place: Place
    cluster: Cluster
    site: dict[str, Any] = field(default_factory=dict)
    sets: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """What all jobs said."""
        return "".join(path.read_text() for path in sorted(self.place.folder.glob("runs/*/slurm/*.out")))

    def submit(self, *more: object, do: str = "", code: int = 0) -> str:
        """``run --on slurm``; ``do``: what the toolkit is to do wrong in the jobs."""
        self.write_site(do)
        words = ("run", self.place.recipe, *self._folders(), "--on", "slurm", *self._sets(), *more)
        return self.orchestrator(*words, code=code)

    def write_site(self, do: str = "") -> Path:
        """The site file, which the commands find by ``MMLA_SITE``."""
        setup = [f"export PYTHONPATH={echo.HERE}", f"export ECHO_DO={do}"]
        usual = {"partition": "main", "cpus": 1, "mem": "500M", "setup": setup}
        path = self.place.folder / "site.yaml"
        path.write_text(yaml.safe_dump(usual | self.site))
        return path

    def orchestrator(self, *words: object, code: int = 0) -> str:
        """A command of the orchestrator's that ends with this status; returns what it says."""
        env = self.cluster.environment() | {"PYTHONPATH": str(echo.HERE)}
        env |= {"MMLA_SITE": str(self.place.folder / "site.yaml")}
        argv = [sys.executable, "-m", "orchestrator", *map(str, words)]
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def runs(self) -> tuple[object, ...]:
        """The option that says where the runs lie."""
        return "--runs-dir", self.place.folder / "runs"

    def ids(self) -> dict[str, str]:
        """Slurm's number of each job of the recipe that was submitted."""
        text = (self.place.folder / "runs" / "echoed" / "slurm.json").read_text()
        return {job: entry["id"] for job, entry in json.loads(text).items()}

    def queued(self) -> dict[str, str]:
        """The states of the jobs of the queue, by Slurm's number."""
        user = os.environ.get("USER", "root")
        return dict(line.split(" ", 1) for line in self.cluster.jobs("--user", user))  # type: ignore[misc]

    def states(self) -> set[str]:
        """The states of this recipe's jobs that are in the queue."""
        queue = self.queued()
        return {queue[number] for number in self.ids().values() if number in queue}

    def wait_for(self, state: str, seconds: float = JOB_SECONDS) -> None:
        """Until one of the jobs is in this state, e.g. RUNNING."""
        wait_until(lambda: state in self.states(), seconds)

    def wait(self, seconds: float = JOB_SECONDS) -> None:
        """Until none of the jobs is in the queue any more."""
        wait_until(lambda: not self.states(), seconds)

    def processes(self) -> list[psutil.Process]:
        """What runs anywhere on this machine for the recipe: its folder stands in the command or the environment."""
        folder, found = str(self.place.folder), []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = [*process.cmdline(), *process.environ().values()]
                if process.pid != os.getpid() and any(folder in word for word in words):
                    found.append(process)
        return found

    def log(self, kind: str, job: str = "demo") -> str:
        """What the toolkit said in a stage so far."""
        found = [*self.place.folder.glob(f"runs/*/{job}/{kind}-*/log.txt")]
        return found[0].read_text() if found else ""

    def end(self) -> None:
        """End what a test that went wrong left."""
        if (self.place.folder / "runs" / "echoed" / "slurm.json").exists():
            for number in self.ids().values():
                self.cluster.command("scancel", number)
            self.wait()

    def _folders(self) -> tuple[object, ...]:
        return *self.runs(), "--results-dir", self.place.folder

    def _sets(self) -> list[str]:
        return [word for change in self.sets for word in ("--set", change)]
