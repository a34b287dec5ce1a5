"""How fast a stage goes, and when it will end: from its progress, without a saw.

Progress comes in bursts (a toolkit that tells each tenth step), stops while a training evaluates or writes a
checkpoint, and is slow at first (compiling, caches). So the speed is that between moments at which progress came, the
first part is left out, and pauses are counted apart: so many of them, so long, are still to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp
from statistics import median_low
from typing import NamedTuple

from orchestrator.toolkits.base import Progress

MOST = 256  # moments that are kept; of more, every other one
WARMUP = 0.05  # of what was left when progress was first seen: not believed, as it is slow
FEW = 4  # steps between moments, below which none counts as a pause
PAUSE = 1.5  # so many usual steps between moments are a pause, on top of what the work took
CALM = 0.05  # of the elapsed time: how slowly what is told follows what is computed


class Moment(NamedTuple):
    """When so many steps or samples were done."""

    time: float
    done: int


class Speed(NamedTuple):
    """Seconds per step or sample without pauses; how long the next is waited for; pauses to come, and their length."""

    seconds: float
    patience: float
    pauses: int = 0
    pause: float = 0.0


class Pace:
    """Told of the progress of a stage, it tells the speed and the remaining time. Times are seconds of any clock."""

    def __init__(self) -> None:
        self.last: Progress | None = None
        self._begin(Moment(0.0, 0))

    def _begin(self, seen: Moment) -> None:
        self.seen = seen  # what an earlier run left, or what loading ends with
        self.moments: list[Moment] = []
        self.spacing = 0.0
        self.speed: Speed | None = None
        # when the end was last told, what, and how late the stage was then
        self.told: tuple[float, float, float] | None = None

    def see(self, progress: Progress, now: float) -> None:
        """The stage is this far now."""
        last, self.last = self.last, progress
        if last is None or progress.done < last.done or progress.total != last.total:
            self._begin(Moment(now, progress.done))  # anew, perhaps
        elif progress.done > last.done and (not self.moments or now - self.moments[-1].time > self.spacing):
            # before the first of them the model was loaded, or an earlier run's steps were skipped
            self.moments.append(Moment(now, progress.done))
            if len(self.moments) > MOST:
                self.spacing = (now - self.moments[0].time) / MOST * 2
                self.moments = self.moments[::2]
            self.speed = speed(self.moments, self.seen.done, progress.total)

    def rate(self) -> float | None:
        """Steps or samples per second; ``None`` where nobody knows yet."""
        return 1 / self.speed.seconds if self.speed else None

    def left(self, now: float) -> float | None:
        """Seconds that the stage still takes; ``None`` where nobody knows yet."""
        if self.last is None or self.speed is None:
            return None
        at = self.moments[-1]
        work = (self.last.total - at.done) * self.speed.seconds + self.speed.pauses * self.speed.pause
        late = max(0.0, now - at.time - self.speed.patience)  # nothing came for longer than was to be expected
        end = at.time + work + late
        if self.told:
            then, before, late_then = self.told
            before += max(0.0, late - late_then)
            # near the end there is no time left to be calm
            calm = CALM * min(max(now - self.moments[0].time, 1e-9), 4 * max(work, 1e-9))
            end = before + (end - before) * (1 - exp(-(now - then) / calm))
        self.told = (now, end, late)
        return max(0.0, end - now)


def speed(moments: Sequence[Moment], begun: int, total: int) -> Speed | None:
    """The speed of a stage that went on from so many steps, by the moments at which progress came."""
    if len(moments) < 2:
        return None
    last = moments[-1]
    skipped = begun + min(WARMUP * (total - begun), (last.done - begun) / 2)
    first = next(index for index, moment in enumerate(moments) if moment.done >= skipped)
    first = min(first, len(moments) - 2)
    gaps = [_Gap(now.time - then.time, now.done - then.done, now.done) for then, now in pairwise(moments)]
    early, kept = gaps[:first], gaps[first:]
    usual, gap = median_low(one.seconds / one.steps for one in kept), median_low(one.seconds for one in kept)
    pauses = [one for one in kept if one.over(usual) > PAUSE * gap]
    time, done = sum(one.seconds for one in kept), sum(one.steps for one in kept)
    paused = sum(one.over(usual) for one in pauses)
    if len(kept) < FEW or not pauses:
        return Speed((time - paused) / done, 2 * gap)
    length = paused / len(pauses)
    # a slow start has pauses, too; those before the first of the others tell how often they come
    before = [one.at for one in early if one.over(usual) > length / 2]
    at = [*before, *(one.at for one in pauses)]
    between = (at[-1] - at[0]) / (len(at) - 1) if len(at) > 1 else at[0] - begun
    between = max(between, last.done - at[-1], 1)
    to_come = int((total - at[-1]) / between + 0.1)
    return Speed((time - paused) / done, 2 * gap + length, to_come, length)


class _Gap(NamedTuple):
    """What lies between two moments: so many seconds and steps, ``at`` the step it ends with."""

    seconds: float
    steps: int
    at: int

    def over(self, usual: float) -> float:
        """Seconds beyond what the steps usually take."""
        return self.seconds - self.steps * usual
