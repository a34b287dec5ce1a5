"""The time that a stage still takes: from progress as toolkits tell it, without a saw."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from orchestrator.cli.pace import MOST, Pace
from orchestrator.toolkits.base import Progress

LOAD_SECONDS, LOOK_SECONDS = 20.0, 0.5


@dataclass(frozen=True)
class Course:
    """How a made-up stage goes: steps of some seconds each, and what disturbs it."""

    steps: int
    seconds: float = 1.0
    burst: int = 1  # steps that are told at once
    every: int = 0  # steps between pauses
    pause: float = 0.0
    slow: int = 0  # first steps, so many times slower
    times: float = 1.0
    noise: float = 0.0

    def events(self) -> Iterator[tuple[float, int]]:
        """When how many steps are told; the last is the end of all."""
        random_ = random.Random(0)
        time = LOAD_SECONDS
        for step in range(1, self.steps + 1):
            time += self.seconds * (self.times if step <= self.slow else 1) * random_.lognormvariate(0, self.noise)
            if step % self.burst == 0 or step == self.steps:
                yield time, step
            if self.every and step % self.every == 0:
                time += self.pause
        yield time, self.steps


class Told(NamedTuple):
    """The ends that were estimated once a tenth was done, as shares of the true one."""

    ends: Sequence[float]

    @property
    def rise(self) -> float:
        """The most that a later estimate is above an earlier one."""
        return max(later - min(self.ends[: index + 1]) for index, later in enumerate(self.ends))

    @property
    def fall(self) -> float:
        """The most that a later estimate is below an earlier one."""
        return max(max(self.ends[: index + 1]) - later for index, later in enumerate(self.ends))

    @property
    def wrong(self) -> float:
        """The most that an estimate is off."""
        return max(abs(end - 1) for end in self.ends)


def told(course: Course) -> Told:
    """What is told while somebody looks twice a second; each hundredth look is kept."""
    events = list(course.events())
    end, steps = events[-1]
    pace, ends = Pace(), []
    done = at = looks = 0
    now = 0.0
    while now < end:
        while at < len(events) and events[at][0] <= now:
            done, at = events[at][1], at + 1
        pace.see(Progress(done, steps), now)
        left = pace.left(now)
        if left is not None and done * 10 >= steps and looks % 20 == 0:
            ends.append((now + left) / end)
        now, looks = now + LOOK_SECONDS, looks + 1
    assert ends
    return Told(ends)


@pytest.mark.parametrize(
    ("course", "wrong", "swing"),
    [
        (Course(1000), 0.01, 0.01),
        (Course(20_000, 0.05), 0.01, 0.01),
        (Course(30, 2), 0.01, 0.01),
        (Course(1000, burst=10), 0.01, 0.01),
        (Course(90, 3, burst=10), 0.01, 0.01),
        # evaluations; their first comes before a tenth is done
        (Course(1000, every=50, pause=30), 0.03, 0.01),
        (Course(1000, every=20, pause=30), 0.03, 0.01),
        (Course(1000, every=50, pause=5), 0.03, 0.01),
        (Course(1000, burst=10, every=50, pause=40), 0.12, 0.01),
        (Course(900, burst=10, every=50, pause=40), 0.15, 0.01),
        # slow at first
        (Course(1000, slow=10, times=5), 0.01, 0.01),
        (Course(1000, slow=50, times=3), 0.10, 0.01),
        # no two steps alike
        (Course(1000, noise=0.5), 0.06, 0.06),
        (Course(2000, noise=0.3, every=100, pause=60), 0.03, 0.03),
        (Course(4000, 0.3, noise=0.2, every=100, pause=4), 0.03, 0.03),
        # all of it
        (Course(2000, noise=0.3, every=80, pause=60, burst=10, slow=30, times=4), 0.10, 0.03),
        (Course(40_000, noise=0.3, every=2000, pause=600, burst=10, slow=30, times=4), 0.03, 0.03),
    ],
    ids=str,
)  # fmt: skip
def test_the_end_moves_little_and_does_not_saw(course: Course, wrong: float, swing: float) -> None:
    found = told(course)
    assert found.wrong <= wrong
    # a saw goes up and down: one of both may be, where the beginning misled, but not both
    assert min(found.rise, found.fall) <= swing


def test_an_evaluation_that_comes_late_moves_the_end_once() -> None:
    found = told(Course(300, 2, burst=10, every=100, pause=60))
    assert found.ends[0] == pytest.approx(620 / 800, abs=0.03), "nobody can know of it"
    assert found.fall <= 0.01
    assert found.ends[-1] == pytest.approx(1, abs=0.1)


def test_nothing_is_told_before_progress_came_twice() -> None:
    pace = Pace()
    assert (pace.rate(), pace.left(0)) == (None, None)
    pace.see(Progress(0, 100), 0)
    pace.see(Progress(1, 100), 60)  # the model was loaded first
    assert (pace.rate(), pace.left(60)) == (None, None)
    pace.see(Progress(3, 100), 64)
    assert pace.rate() == 0.5
    assert pace.left(64) == pytest.approx(194)


def test_what_an_earlier_run_did_is_no_speed() -> None:
    pace = Pace()
    pace.see(Progress(57, 100), 0)  # its log
    pace.see(Progress(0, 100), 30)
    pace.see(Progress(51, 100), 33)  # steps that are skipped
    for step in range(52, 60):
        pace.see(Progress(step, 100), 33 + 10 * (step - 51))
    assert pace.rate() == pytest.approx(0.1)
    assert pace.left(113) == pytest.approx(410)


def test_where_nothing_comes_any_more_the_end_moves_on() -> None:
    pace = Pace()
    for step in range(51):
        pace.see(Progress(step, 100), float(step))
    lefts = [pace.left(float(now)) for now in range(50, 3000, 5)]
    assert all(left is not None and 40 < left <= 50 for left in lefts[10:])


def test_a_long_stage_takes_little_memory() -> None:
    pace = Pace()
    for step in range(100_000):
        pace.see(Progress(step, 200_000), step * 0.5)
    assert len(pace.moments) <= MOST
    assert pace.left(50_000.0) == pytest.approx(50_000, rel=0.01)
