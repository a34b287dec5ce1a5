"""How long a stage took: work, start-up and what came to nothing are told apart."""

from __future__ import annotations

import pytest

from orchestrator.plan.record import Attempt
from orchestrator.plan.times import Times, times


def attempt(seconds: float | None, startup: float | None = None, source: str | None = None) -> Attempt:
    known = {"startup_seconds": startup, "resumed_from": source}
    return Attempt(started_at="2026-11-26T04:00:00+00:00", seconds=seconds, **known)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([], Times(0, 0, 0)),
        ([attempt(60, 10, "")], Times(50, 10, 0)),
        ([attempt(2, None, "")], Times(2, 0, 0)),  # too fast for anybody to see a first step
        ([attempt(60, 10, ""), attempt(30, 5, "checkpoint-9")], Times(75, 15, 0)),
        ([attempt(60, 10, ""), attempt(30, 5, "")], Times(25, 5, 60)),
        # the second came to no checkpoint of its own
        (
            [attempt(60, 10, ""), attempt(20, 5, "checkpoint-9"), attempt(30, 5, "checkpoint-9")],
            Times(75, 15, 20),
        ),
        # the first was gone on from, and then all of it was begun anew
        ([attempt(60, 10, ""), attempt(20, 5, "checkpoint-9"), attempt(30, 5, "")], Times(25, 5, 80)),
        # a killed one says nothing of itself
        ([attempt(60, None, ""), attempt(40), attempt(30, 5, "")], Times(25, 5, 100)),
        ([attempt(60, None, ""), attempt(40), attempt(30, 5, "checkpoint-9")], Times(125, 5, 0)),
        # of an earlier version: nothing is known, all of it counts
        ([attempt(60), attempt(30)], Times(90, 0, 0)),
        ([attempt(None), attempt(30, 1, "")], Times(29, 1, 0)),
    ],
)  # fmt: skip
def test_what_counts(attempts: list[Attempt], expected: Times) -> None:
    assert times(attempts) == expected
