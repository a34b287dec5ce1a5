"""Signals that stop a run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from orchestrator.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into `Interrupted`, so that every `finally` runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(f"stopped by {signal.Signals(number).name}")

    # what is ignored stays ignored: that is how nohup lets a run outlive its terminal
    with _handled(stop, [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]):
        yield


@contextlib.contextmanager
def uninterruptible() -> Iterator[None]:
    """Ignore them all, for what takes an instant and must be done."""
    with _handled(signal.SIG_IGN, STOPPING):
        yield


@contextlib.contextmanager
def _handled(handler: Any, numbers: Sequence[signal.Signals]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
