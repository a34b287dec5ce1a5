"""A checkpoint is written to its end. tests/toolkits/test_stopped_trainer.py does so with the real trainer."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.inside import trainer_hooks as hooks


class Stopped(Exception):
    """What the handlers of these tests raise."""


def stop(number: int, _: object) -> None:
    raise Stopped(signal.Signals(number).name)


@pytest.fixture(autouse=True)
def _handlers() -> Any:
    numbers = (signal.SIGTERM, signal.SIGCHLD)
    before = {number: signal.signal(number, stop) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_acts_when_the_work_is_done() -> None:
    done = []

    @hooks.held(signal.SIGTERM, signal.SIGCHLD)
    def work() -> None:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGTERM):
            os.kill(os.getpid(), number)
        done.append("all")

    with pytest.raises(Stopped, match="SIGTERM"):
        work()
    assert done == ["all"]
    assert signal.getsignal(signal.SIGTERM) is signal.getsignal(signal.SIGCHLD) is stop


@pytest.mark.parametrize(("stopped", "error"), [(True, Stopped), (False, ValueError)])
def test_work_that_fails_is_no_reason_to_forget_the_signal(stopped: bool, error: type[Exception]) -> None:
    @hooks.held(signal.SIGTERM)
    def work() -> None:
        if stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("disk full")

    with pytest.raises(error):
        work()


def test_the_toolkits_own_way_to_save_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Trainer:
        args = SimpleNamespace(output_dir=str(tmp_path), should_save=True)

        def train(self, resume: str) -> str:
            self._save_checkpoint("model", trial=None)
            return resume

        def _save_checkpoint(self, model: str, trial: None) -> None:
            done.append(f"weights of {model}")

    class Own(Trainer):
        def _save_checkpoint(self, model: str, trial: None) -> None:
            super()._save_checkpoint(model, trial)
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("projector")

    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(Trainer=Trainer))
    hooks.finish_checkpoints()
    with pytest.raises(Stopped, match="SIGTERM"):
        Own().train("checkpoint-1")
    assert done == ["weights of model", "projector"]
    assert Trainer().train(resume="checkpoint-1") == "checkpoint-1"
