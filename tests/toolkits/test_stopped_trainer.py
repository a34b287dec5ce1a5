"""SIGTERM while a real trainer writes a checkpoint, alone and beneath torchrun: the checkpoint is whole afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.machine import processes
from orchestrator.recipe.sections import Resources
from orchestrator.toolkits.programs import ON_CPU, torchrun
from orchestrator.toolkits.whole import states_problems, weights_problems
from tests.running import wait_until
from tests.toolkits.inside import argv_of

pytestmark = pytest.mark.toolkit
PROGRAM = Path(__file__).with_name("stopped_trainer.py")


def stopped(environment: Environment, folder: Path, *more: str, ranks: int = 1) -> tuple[Path, int | None, str]:
    """Start a training, stop it as a run does while it writes; returns its checkpoint, its status and its log."""
    log, mark = folder / "log.txt", (processes.STAGE_MARK, str(folder))
    launcher = torchrun(Resources(processes=ranks)) if ranks > 1 else ()
    argv = argv_of(environment.python, PROGRAM, folder, *more, launcher=launcher)
    env = os.environ | ON_CPU | {"CUDA_VISIBLE_DEVICES": "", mark[0]: mark[1]}
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=env, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or log.read_text().count("writing") == ranks, 300)
        processes.end(*mark, 60)
    finally:
        processes.end(*mark, 0)
    return folder / "checkpoint-2", process.wait(60), log.read_text()


def check(checkpoint: Path, said: str, ranks: int) -> None:
    assert said.count("writing") == ranks, said
    assert weights_problems(checkpoint) == states_problems(checkpoint) == [], said
    assert (checkpoint / "trainer_state.json").exists()
    assert all((checkpoint / f"own_{rank}").exists() for rank in range(ranks)), said
    assert not (checkpoint.parent / "checkpoint-4").exists(), "it was stopped behind it"


def test_llamafactory(llamafactory_env: Environment, tmp_path: Path) -> None:
    checkpoint, status, said = stopped(llamafactory_env, tmp_path)
    check(checkpoint, said, 1)
    assert status == -signal.SIGTERM, "it ends as if nobody had held the signal"


def test_llamafactory_in_two_processes(llamafactory_env: Environment, tmp_path: Path) -> None:
    checkpoint, _, said = stopped(llamafactory_env, tmp_path, ranks=2)
    check(checkpoint, said, 2)


def test_swift(swift_env: Environment, tmp_path: Path) -> None:
    checkpoint, status, said = stopped(swift_env, tmp_path)
    check(checkpoint, said, 1)
    assert status == -signal.SIGTERM


def test_without_it_the_checkpoint_is_lost(llamafactory_env: Environment, tmp_path: Path) -> None:
    checkpoint, _, said = stopped(llamafactory_env, tmp_path, "unfinished")
    assert not (checkpoint / "trainer_state.json").exists(), said
