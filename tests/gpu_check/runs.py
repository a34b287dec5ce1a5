"""One run of the orchestrator as a user starts it, watched; and what its folders tell afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from orchestrator.machine.processes import STAGE_MARK, marked
from tests.gpu_check.measure import Seen, watching
from tests.running import answers, stage_folder
from tests.shared import ROOT

NAME = "check"  # of the recipe, and so of the run's folder
SHORT = "short.j2"  # a prompt of few words, beside every recipe
PROGRAM = "orchestrator"
SAID_LINES = 40
# nothing is asked for over a network: what is lacking is an error at once
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "UV_OFFLINE": "1"}


class Failed(Exception):
    """What was to be shown is not so; the message says why, with the end of what was said."""


class Skipped(Exception):
    """It cannot be tried here; the message says why."""


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        folder: with ``runs/``, the results and what was said.
        seen: of the machine meanwhile.
        seconds: wall time of the command.
    """

    folder: Path
    seen: Seen = field(default_factory=Seen)
    seconds: float = 0.0

    def stage(self, kind: str, job: str = "*") -> Path:
        """The folder of its only stage of a kind."""
        return stage_folder(self.folder, kind, job)

    def answers(self) -> dict[str, str]:
        """The answers by request; each was answered, and none by an error."""
        return answers(self.folder)

    def stage_seconds(self, kind: str) -> float:
        """Wall time of a stage, its start included."""
        return float(json.loads((self.stage(kind) / "stage.json").read_text())["seconds"])

    def inference(self) -> dict[str, float]:
        """Requests, seconds of the stage, seconds of answering alone, requests per second of that, percent idle."""
        file = self.stage("infer") / "predictions.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        answering = sum(row["seconds"] for row in rows if "seconds" in row)
        end = file.stat().st_mtime
        found = {"n": float(len(rows)), "seconds": self.stage_seconds("infer"), "answering": answering}
        found["rate"] = len(rows) / answering if answering else 0.0
        return found | self._idle(end - answering, end)

    def training(self) -> dict[str, float]:
        """Steps and samples per second as the toolkit's trainer logs them, its seconds, last loss, percent idle."""
        log = (self.stage("train") / "log.txt").read_text(errors="replace")
        found: dict[str, float] = {}
        for name in ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss"):
            # "'train_loss': 2.1", "'train_loss': '2.1'", "train_loss = 2.1"
            if matches := re.findall(rf"{name}['\"]?\s*[:=]\s*['\"]?(\d+(?:\.\d+)?(?:e-?\d+)?)(?![\d:])", log):
                found[name] = float(matches[-1])
        end = max(path.stat().st_mtime for path in self.stage("train").glob("output/checkpoint-*/trainer_state.json"))
        return found | self._idle(end - found.get("train_runtime", 0), end)

    def _idle(self, begin: float, end: float) -> dict[str, float]:
        idle = self.seen.idle(begin, end)
        return {} if idle is None else {"idle": idle}


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """That of the shell without the place of its data, offline."""
    return {name: value for name, value in os.environ.items() if name != "MMLA_DATA_ROOT"} | OFFLINE | dict(more)


def write(recipe: Mapping[str, Any], folder: Path) -> Path:
    """The recipe's file in a folder of its own, in which runs of another one are removed."""
    path, text = folder / f"{NAME}.yaml", yaml.safe_dump(dict(recipe), sort_keys=False)
    if path.exists() and path.read_text() != text:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SHORT).write_text("{{ task }} of: {{ text }}")
    path.write_text(text)
    return path


def start(recipe: Path, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """``run`` in a process of its own; what it says is added to ``said.txt`` beside the recipe."""
    folder = recipe.parent
    argv = [sys.executable, "-m", PROGRAM, "run", str(recipe), "--runs-dir", str(folder / "runs")]
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [*argv, "--results-dir", str(folder), *words],
            cwd=ROOT,
            env=environment(env or {}),
            stdout=said,
            stderr=said,
        )


def said(folder: Path, lines: int = SAID_LINES) -> str:
    """The last lines of what the runs in a folder said, which hold the end of a failed stage's log."""
    return "\n".join((folder / "said.txt").read_text(errors="replace").splitlines()[-lines:])


def run(recipe: Mapping[str, Any], folder: Path, *words: str, env: Mapping[str, str] | None = None) -> Run:
    """Run a recipe to its good end.

    Raises:
        Failed: it ended otherwise.
    """
    begun = time.monotonic()
    process = start(write(recipe, folder), *words, env=env)
    with watching(psutil.Process(process.pid).parent()) as seen:
        code = process.wait()
    if code:
        raise Failed(f"`python -m orchestrator run` ended with status {code}:\n{said(folder)}")
    return Run(folder, seen, time.monotonic() - begun)


def processes_of(stage: Path) -> Iterator[psutil.Process]:
    """The toolkit's processes of a stage."""
    return marked(STAGE_MARK, str(stage.resolve()))


def killed_at(recipe: Mapping[str, Any], folder: Path, pattern: str) -> None:
    """Start a recipe, and kill -9 the toolkit's processes as soon as a training's folder holds such a file.

    Raises:
        Failed: the run ended before.
    """
    process = start(write(recipe, folder))
    while not (found := next((folder / "runs").glob(f"*/*/train-*/{pattern}"), None)):
        if process.poll() is not None:
            raise Failed(f"it ended with status {process.returncode} before {pattern} was there:\n{said(folder)}")
        time.sleep(0.01)
    stage = folder.joinpath(*found.relative_to(folder).parts[:4])
    for victim in list(processes_of(stage)):
        with contextlib.suppress(ProcessLookupError):  # one of its group went before
            os.killpg(os.getpgid(victim.pid), signal.SIGKILL)
    process.wait()
