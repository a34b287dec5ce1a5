"""The script that measures how long a command says nothing."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.silence import BEGIN, END, listen, report

PROGRAM = """
import sys, time
time.sleep({0})
sys.stdout.write(f"\\x1b[1mone\\x1b[0m {{sys.stdout.isatty()}}\\n")
sys.stdout.flush()
time.sleep({1})
sys.stderr.write("two\\rthree\\n")
time.sleep({2})
raise SystemExit(3)
"""


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    ("pauses", "between"),
    [((1.2, 0, 0), (BEGIN, "one {}")), ((0, 1.2, 0), ("one {}", "two")), ((0, 0, 1.2), ("three", END))],
)
def test_the_longest_pause_is_found(
    terminal: bool, pauses: tuple[float, float, float], between: tuple[str, str]
) -> None:
    heard = listen([sys.executable, "-c", PROGRAM.format(*pauses)], terminal=terminal)
    assert (heard.status, heard.longest.before, heard.longest.after) == (
        3,
        *(text.format(terminal) for text in between),
    )
    assert 1.1 < heard.longest.seconds < heard.seconds
    assert f"longest silence {heard.longest.seconds:.1f} s" in report("pipe", heard)


def test_a_process_that_stays_behind_is_not_waited_for() -> None:
    stays = f"import subprocess, sys; subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(30)'])"
    assert listen([sys.executable, "-c", stays], terminal=False).seconds < 20
