"""Signals that stop a run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from orchestrator.errors import Interrupted
from orchestrator.machine.slurm_job import in_slurm_job

PR_SET_PDEATHSIG = 1  # of Linux's prctl
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """What threads look at to see whether their work is to end: signals arrive in the main thread alone.

    Attributes:
        reason: why, e.g. ``stopped by SIGTERM``.
        asked: whether it is to end.
        at_once: whether it is to end without being waited for.
    """

    def __init__(self, above: Stop | None = None):
        """``above``: one that stops this one, too."""
        self._above = above
        self._reason = ""
        # no events, whose lock a signal's handler would wait for that interrupts another one's
        self._asked = self._at_once = False

    def ask(self, reason: str) -> None:
        """End; asked again: at once."""
        self._at_once = self._asked
        self._reason = reason
        self._asked = True

    @property
    def reason(self) -> str:
        """Why it was asked to end; of several reasons the last one."""
        return self._reason or (self._above.reason if self._above else "")

    @property
    def asked(self) -> bool:
        """Whether to end."""
        return self._asked or (self._above is not None and self._above.asked)

    @property
    def at_once(self) -> bool:
        """Whether to end without waiting for anything."""
        return self._at_once or (self._above is not None and self._above.at_once)

    def check(self) -> None:
        """Raise where the work is to end.

        Raises:
            Interrupted: it is.
        """
        if self.asked:
            raise Interrupted(self.reason)


NEVER = Stop()  # for work that nobody asks to end


def die_with_parent(parent: int) -> None:
    """Have this process, which was just forked, get SIGTERM when its parent dies, however that dies.

    ``parent``: its process id; it may be dead already.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into `Interrupted`, so that every `finally` runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(_named(number))

    with _handled(stop):
        yield


@contextlib.contextmanager
def heeding(stop: Stop) -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and SIGHUP ask for a stop, where threads do the work.

    In a Slurm job a second signal hurries nobody: several may tell of one and the same stop.
    """

    def ask(number: int, _frame: FrameType | None) -> None:
        if not (stop.asked and in_slurm_job()):
            stop.ask(_named(number))

    with _handled(ask):
        yield


def _named(number: int) -> str:
    return f"stopped by {signal.Signals(number).name}"


@contextlib.contextmanager
def _handled(handler: Any) -> Iterator[None]:
    # what is ignored stays ignored: that is how nohup lets a run outlive its terminal
    numbers = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
