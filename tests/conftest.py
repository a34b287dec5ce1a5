"""For every test: a deadline, signals that arrive, and where the time went."""

from __future__ import annotations

import contextlib
import gc
import signal
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

# seconds for what a test does, and again for its fixtures; with a real toolkit the latter may build environments
DEADLINE, TOOLKIT_DEADLINE = 300, 2 * 3600
# the report names only files that took longer
LEAST_SECONDS = 5
# how fast values are made says something about the machine alone: in a fresh clone Hypothesis first makes its tables;
# and examples may share a folder
CALM = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("any machine", deadline=None, suppress_health_check=CALM)
settings.load_profile("any machine")


@contextlib.contextmanager
def deadline(item: pytest.Item) -> Iterator[None]:
    """Fail a test that waits for ever, with the line where it waits, and end the processes that it started."""
    marker = item.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else TOOLKIT_DEADLINE if item.get_closest_marker("toolkit") else DEADLINE

    def give_up(*_: object) -> None:
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
        pytest.fail(f"not through after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 0 if item.config.getoption("usepdb") else seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    with deadline(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    with deadline(item):
        return (yield)


@pytest.fixture
def signals_arrive() -> Iterator[None]:
    """For a test that sends signals to itself or a child: under nohup, or in the background, some are ignored."""
    defaults = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in defaults.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test works in a folder of its own, and knows no place of the data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMLA_DATA_ROOT", raising=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the time went, by file of tests and with its fixtures."""
    spent: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                spent[report.nodeid.partition("::")[0]] += report.duration
    slow = sorted(((seconds, file) for file, seconds in spent.items() if seconds > LEAST_SECONDS), reverse=True)
    if slow:
        terminalreporter.section(f"seconds by file, fixtures counted, of {sum(spent.values()):.0f} in all")
    for seconds, file in slow:
        terminalreporter.line(f"{seconds:6.0f}  {file}")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is imported by now: the runner's loop calls it often, and it saw all of it."""
    gc.collect()
    gc.freeze()
