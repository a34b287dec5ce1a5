"""Signals while a run is under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from orchestrator.errors import Interrupted
from orchestrator.machine.signals import Stop, heeding
from orchestrator.machine.slurm_job import JOB_VARIABLE


def test_what_nohup_ignores_stays_ignored() -> None:
    program = (
        "import os, signal; from orchestrator.machine.signals import interruptible\n"
        "with interruptible(): os.kill(os.getpid(), signal.SIGHUP); print('alive')"
    )
    done = subprocess.run(["nohup", sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "alive\n", done.stderr


@pytest.mark.usefixtures("signals_arrive")  # in the background a shell has some of them ignored
def test_a_stop_is_asked_for_once_and_then_for_at_once() -> None:
    above = Stop()
    own = Stop(above)
    with heeding(above):
        assert not own.asked
        own.check()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (own.asked, own.at_once, own.reason) == (True, False, "stopped by SIGTERM")
        with pytest.raises(Interrupted, match="stopped by SIGTERM"):
            own.check()
        os.kill(os.getpid(), signal.SIGINT)
        assert (own.at_once, own.reason) == (True, "stopped by SIGINT")


def test_a_stop_of_one_is_none_of_the_others() -> None:
    above = Stop()
    own, other = Stop(above), Stop(above)
    own.ask("it lost its lock")
    assert (own.reason, other.asked, above.asked) == ("it lost its lock", False, False)


MANY = """
import signal, time
from orchestrator.machine.signals import Stop, heeding
signal.signal(signal.SIGINT, signal.default_int_handler)
stop = Stop()
with heeding(stop):
    signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 5e-4, 5e-4)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        stop.ask("asked")
    signal.setitimer(signal.ITIMER_REAL, 0)
print("ended", stop.at_once)
"""


def test_signals_that_come_at_once_hang_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, timeout=30)
    assert done.stdout == "ended True\n", done.stderr


def test_in_a_slurm_job_a_second_signal_hurries_nobody(monkeypatch: pytest.MonkeyPatch, signals_arrive: None) -> None:
    monkeypatch.setenv(JOB_VARIABLE, "5_2")
    stop = Stop()
    with heeding(stop):
        for _ in range(3):  # Slurm signals every process of a job, and the job's program this one
            os.kill(os.getpid(), signal.SIGTERM)
    assert (stop.asked, stop.at_once, stop.reason) == (True, False, "stopped by SIGTERM")
