"""Checkpoints between a real trainer's own: by time and at SIGTERM, alone and beneath torchrun; the end is the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.inside import between
from orchestrator.machine import processes
from orchestrator.recipe.sections import Resources
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.programs import ON_CPU, torchrun
from orchestrator.toolkits.whole import states_problems, weights_problems
from tests.running import wait_until
from tests.toolkits.inside import argv_of

pytestmark = pytest.mark.toolkit
PROGRAM = Path(__file__).with_name("between_trainer.py")
ALWAYS, ONLY_AT_THE_END = "0.00001", "0"  # minutes
WEIGHTS = re.compile(r"weights (\w+)")


class Training:
    """One that is started, perhaps ended, and started again in the same folder."""

    def __init__(
        self, environment: Environment, folder: Path, *, ranks: int = 1, strategy: str = "steps", limit: int = 0
    ):
        self.environment, self.folder, self.output = environment, folder, folder / "output"
        self.launcher = torchrun(Resources(processes=ranks)) if ranks > 1 else ()
        self.words = (strategy, limit)
        self.mark = (processes.STAGE_MARK, str(folder))
        folder.mkdir(exist_ok=True)

    def run(self, minutes: str = ONLY_AT_THE_END, *, stop_at: int | None = None) -> tuple[int, str]:
        """Its status and what it says; ``stop_at``: the step in which it is told to end, as a run tells it."""
        log, seconds = self.folder / "log.txt", 0.3 if stop_at else 0
        words = (minutes, PROGRAM, self.output, seconds, *self.words)
        argv = argv_of(self.environment.python, Path(between.__file__), *words, launcher=self.launcher)
        env = os.environ | ON_CPU | {"CUDA_VISIBLE_DEVICES": "", self.mark[0]: self.mark[1]}
        with log.open("wb") as output:
            process = subprocess.Popen(argv, env=env, stdout=output, stderr=output)
        try:
            if stop_at:
                wait_until(lambda: process.poll() is not None or f"step {stop_at}\n" in log.read_text(), 300)
                processes.end(*self.mark, 60)
            status = process.wait(300)
        finally:
            processes.end(*self.mark, 0)
        return status, log.read_text()

    def checkpoints(self) -> dict[int, bool]:
        """By step, whether it is marked as one between."""
        found = sorted(int(path.name.partition("-")[2]) for path in self.output.glob("checkpoint-*"))
        return {step: (self.output / f"checkpoint-{step}" / between.MARK).exists() for step in found}


def weights(said: str) -> str:
    found = WEIGHTS.findall(said)
    assert found, said
    return str(found[0])


@pytest.mark.parametrize(
    ("strategy", "limit", "left"), [("steps", 0, [5, 10, 12]), ("steps", 2, [10, 12]), ("epoch", 0, [6, 12])]
)
def test_by_time(llamafactory_env: Environment, tmp_path: Path, strategy: str, limit: int, left: list[int]) -> None:
    calm = Training(llamafactory_env, tmp_path / "calm", strategy=strategy, limit=limit)
    often = Training(llamafactory_env, tmp_path / "often", strategy=strategy, limit=limit)
    (status, said), (status_often, said_often) = calm.run(), often.run(ALWAYS)
    assert (status, status_often) == (0, 0), said_often
    assert calm.checkpoints() == often.checkpoints() == dict.fromkeys(left, False)
    assert weights(said) == weights(said_often)


@pytest.mark.parametrize("name", ["llamafactory_env", "swift_env", "llava_next_env", "videollama2_env"])
def test_stopped(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> None:
    check_stopped(request.getfixturevalue(name), tmp_path, 1)


def test_stopped_within_an_epoch(llamafactory_env: Environment, tmp_path: Path) -> None:
    training = Training(llamafactory_env, tmp_path, strategy="epoch")
    status, said = training.run(stop_at=8)
    assert status == between.ENDED, said
    (six, at) = training.checkpoints().items()
    assert six == (6, False)
    assert at in ((8, True), (9, True)), "the epoch has not ended"
    status, again = training.run()
    assert (status, training.checkpoints()) == (0, {6: False, 12: False}), again


def test_stopped_in_two_processes(llamafactory_env: Environment, tmp_path: Path) -> None:
    check_stopped(llamafactory_env, tmp_path, 2)


def check_stopped(environment: Environment, folder: Path, ranks: int) -> None:
    calm, stopped = (Training(environment, folder / name, ranks=ranks) for name in ("calm", "stopped"))
    status, said = stopped.run(stop_at=8)
    assert status == between.ENDED if ranks == 1 else status != 0, said
    (at,) = (step for step, marked in stopped.checkpoints().items() if marked)
    assert at in (8, 9), said
    path = stopped.output / f"checkpoint-{at}"
    assert weights_problems(path) == states_problems(path) == [], said
    assert [one.step for one in hf_output.checkpoints(stopped.output)] == [5], "it is none to choose from"
    assert hf_output.damaged(stopped.output) == {}
    assert hf_output.resumable(stopped.output) == path.name
    if ranks > 1:
        return  # plain transformers cannot load an optimizer's states in several processes on a CPU ("cpu:1")
    status, again = stopped.run()
    assert (status, f"step {at}\n" in again, f"step {at + 1}\n" in again) == (0, False, True), again
    assert stopped.checkpoints() == dict.fromkeys([5, 10, 12], False)
    status, undisturbed = calm.run()
    assert status == 0, undisturbed
    assert weights(again) == weights(undisturbed)


def test_before_it_trains_sigterm_ends_it(llamafactory_env: Environment, tmp_path: Path) -> None:
    training = Training(llamafactory_env, tmp_path)
    argv = argv_of(llamafactory_env.python, Path(between.__file__), "0", PROGRAM, training.output, 0, "steps", 0)
    process = subprocess.Popen(argv, env=os.environ | ON_CPU, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.terminate()
    assert process.wait(60) == -signal.SIGTERM
