"""Whose turn it is to have GPUs.

Critical chains go first, then what fills the machine, wide stages before narrow ones, and the user's order among
equals: so it happens seldom that a wide stage waits until narrow ones have ended, with GPUs idle. The first that lacks
GPUs (the front) is overtaken only by what will not delay it, as far as lengths are known (EASY backfilling: Lifka 1995,
Mu'alem and Feitelson 2001), else by a bounded number of others.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orchestrator.run.works import Line, Work

# so many times as many stages as there are GPUs may overtake one whose turn nobody can foretell: fewer would have more
# GPUs idle (each time, until the last of the running ones ends), more would have it wait longer
ROUNDS = 4
# a stage that takes longer than expected by this share of it may go on for as long as it likes
LATE = 0.1
# a chain is critical if it takes at least this share of the time that all there is to do takes at least
CRITICAL = 0.5


@dataclass
class Running:
    """A stage that runs: how many GPUs it has and which, when it began, and when it is expected to end."""

    gpus: int
    begun: float
    ends: float | None
    lease: tuple[str, ...] = ()

    def end(self, now: float) -> float | None:
        """When it will end, or should have just now; ``None`` where nobody can say."""
        if self.ends is None or now > self.ends + LATE * (self.ends - self.begun):
            return None
        return self.ends


class Choice(NamedTuple):
    """A stage to start, and the lines whose works it overtakes although nobody knows that it will not delay them."""

    work: Work
    overtakes: Sequence[Line] = ()


@dataclass
class Look:
    """What a look at all that waits for GPUs found: what can start, else the first that waits and the GPUs kept."""

    choice: Choice | None = None
    first: Work | None = None
    kept: int = 0


class _Front(NamedTuple):
    """When the front has its GPUs at the latest, if stages end as expected; how many it leaves to others then.

    ``turn`` is ``None`` where it is not known.
    """

    turn: float | None = None
    beside: int = 0


class Turns:
    """The stages that need GPUs: those that wait, in lines of the same need, and those that run.

    Args:
        gpus: how many there are.
        one_by_one: one stage at a time, in the user's order.

    Attributes:
        total: GPUs of the machine.
        left: GPUs that no stage has.
        machines: how many such machines share what waits.
    """

    def __init__(self, gpus: int, one_by_one: bool):
        self.total = self.left = gpus
        self.machines = 1
        self._one_by_one = one_by_one
        self._lines: dict[tuple[int, int], Line] = {}
        self._running: dict[Work, Running] = {}

    @property
    def lines(self) -> Sequence[Line]:
        """What waits, by need."""
        return list(self._lines.values())

    def line(self, work: Work) -> Line:
        """The line of those with the same need."""
        width = min(max(work.most, work.least), self.total)
        if (line := self._lines.get((width, work.least))) is None:
            line = self._lines[width, work.least] = Line(work.least, width)
        return line

    def begin(self, choice: Choice, running: Running) -> None:
        """A stage that was found by a look has begun."""
        for line in choice.overtakes:
            line.overtaken += 1
        line = self.line(choice.work)
        line.discard(choice.work)
        line.overtaken = 0
        self.occupy(choice.work, running)

    def occupy(self, work: Work, running: Running) -> None:
        """GPUs are in use, if only by another run."""
        self._running[work] = running
        self.left -= running.gpus

    def end(self, work: Work) -> None:
        """A stage has ended."""
        self.left += self._running.pop(work).gpus

    def look(self, now: float) -> Look:
        """Go through what waits, in the order in which it should start, up to the first that can or that lacks GPUs."""
        look = Look()
        seen: list[Line] = []
        for line, work in self._ranked(self._critical(now)):
            left = self.left - look.kept
            if work.least <= left and work in line.ready:
                look.choice = Choice(work)
                return look
            look.first = look.first or work
            if work.least <= left:
                look.kept += work.least  # it will be there in seconds, what would take its place stays for hours
                continue
            if work.least > self.left:
                seen.append(line)
                front = self._front(work, now) if not look.kept else _Front()
                look.choice = self._behind(front, now, left, seen)
            return look
        return look

    def _ranked(self, critical: float | None) -> Iterator[tuple[Line, Work]]:
        """All that waits, in the order in which it should start."""
        heads = []
        for number, line in enumerate(self._lines.values()):
            works = line.ranked(critical)
            if head := next(works, None):
                heads.append((self._rank(line, *head), number, line, works, head[1]))
        heapq.heapify(heads)
        while heads:
            _, number, line, works, work = heads[0]
            yield line, work
            if head := next(works, None):
                heapq.heapreplace(heads, (self._rank(line, *head), number, line, works, head[1]))
            else:
                heapq.heappop(heads)

    def _rank(self, line: Line, critical: bool, work: Work) -> tuple[float, ...]:
        if critical:
            return 0, -(work.chain or 0.0), work.order
        return (1, work.order) if self._fills(line) else (2, -line.least, work.order)

    def _fills(self, line: Line) -> bool:
        """Whether its works take the whole machine, so that their order makes no difference to its use."""
        elastic = line.width == self.total == self.left
        return self._one_by_one or elastic or line.least == self.total

    def _critical(self, now: float) -> float | None:
        """Seconds that a critical chain takes at least; ``None`` where nothing is known."""
        rest = 0.0
        for line in self._lines.values():
            seconds, known, works = line.load
            if works:
                if not known:
                    return None
                rest += seconds * works / known
        for work, running in self._running.items():
            rest += max(0.0, running.begun + (work.chain or work.seconds or 0.0) - now) * running.gpus
        return CRITICAL * rest / (self.total * self.machines) if rest and not self._one_by_one else None

    def _front(self, work: Work, now: float) -> _Front:
        free = self.left
        ends = ((running.end(now), running.gpus) for running in self._running.values())
        for end, gpus in sorted((end, gpus) for end, gpus in ends if end is not None):
            free += gpus
            if free >= work.least:
                return _Front(end, free - work.least)
        return _Front()

    def _behind(self, front: _Front, now: float, left: int, seen: list[Line]) -> Choice | None:
        """A stage that may overtake the front and what else is ``seen`` to lack GPUs."""
        lines = [(line, work) for line in self._lines.values() if line not in seen and (work := line.ready.first())]
        for line, first in sorted(lines, key=lambda pair: self._rank(pair[0], False, pair[1])):
            if line.least <= left:
                if front.turn is None:
                    if all(line.overtaken < ROUNDS * self.total for line in seen):
                        return Choice(first, tuple(seen))
                elif line.least <= front.beside:
                    return Choice(first)
                elif work := line.longest_within(front.turn - now):
                    return Choice(work)
            seen.append(line)
        return None
