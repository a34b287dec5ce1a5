from __future__ import annotations

import pytest

from orchestrator.cli.clock import about, clock


def test_durations() -> None:
    assert [clock(seconds) for seconds in (4.21, 59.6, 187, 3753)] == ["4.2 s", "1:00", "3:07", "1:02:33"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "about 5 s"), (43, "about 45 s"), (59, "about 1 min"), (89, "about 1 min"), (570, "about 10 min"),
        (3590, "about 1 h"), (4600, "about 1 h 15 min"), (7 * 3600 + 1700, "about 7 h 30 min"),
        (30.4 * 3600, "about 30 h"), (47.9 * 3600, "about 2 days"), (9.4 * 86400, "about 9 days"),
    ],
)  # fmt: skip
def test_remaining_times_are_round(seconds: float, said: str) -> None:
    assert about(seconds) == said
