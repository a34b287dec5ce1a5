"""Stages that wait, sorted so that none of them is looked at in vain."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

_serial = count()


@dataclass(frozen=True, eq=False)
class Work:
    """A stage that could start, or will be able to soon.

    Attributes:
        name: as shown.
        order: its place in the user's order: recipes, jobs, stages.
        least: GPUs that it needs at least; 0: none.
        most: GPUs that it can make use of, a multiple of ``least``, where these are more.
        host: loads a model on the CPU or asks a hosted one, and takes a place there.
        seconds: how long it is expected to take on ``least`` GPUs; ``None`` where nobody knows.
        chain: seconds that it and all that follows in its job are expected to take, as far as that is known.
    """

    name: str
    order: int
    least: int = 0
    most: int = 0
    host: bool = False
    seconds: float | None = None
    chain: float | None = None


class Sorted:
    """Works by a number, the smallest first; among equals in the order in which they came."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Work]] = []
        self._keys: dict[Work, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Work]:
        return (work for _, _, work in self._entries)

    def __contains__(self, work: Work) -> bool:
        return work in self._keys

    def add(self, number: float, work: Work) -> None:
        """Put a work where it belongs."""
        key = self._keys[work] = (number, next(_serial))
        insort(self._entries, (*key, work))

    def discard(self, work: Work) -> None:
        """Take a work out, if it is there."""
        if key := self._keys.pop(work, None):
            del self._entries[bisect_left(self._entries, (*key,))]

    def first(self) -> Work | None:
        """The one with the smallest number."""
        return self._entries[0][2] if self._entries else None

    def last_within(self, most: float) -> Work | None:
        """The one with the largest number that is not above ``most``."""
        place = bisect_right(self._entries, most, key=lambda entry: entry[0])
        return self._entries[place - 1][2] if place else None


class Line:
    """Works that need the same, waiting: what can start, and what can soon.

    Attributes:
        least: GPUs that each needs.
        width: GPUs that each can fill, as far as this machine has them.
        overtaken: how many that come later in the order were started since it last could start one of these.
    """

    def __init__(self, least: int, width: int):
        self.least, self.width, self.overtaken = least, width, 0
        self.ready, self.soon = Sorted(), Sorted()  # by the user's order
        self._chains, self._lengths = Sorted(), Sorted()
        self._work = 0.0  # GPU-seconds of those whose chain is known

    def __len__(self) -> int:
        return len(self.ready) + len(self.soon)

    def add(self, work: Work, soon: bool) -> None:
        """Have a work wait."""
        (self.soon if soon else self.ready).add(work.order, work)
        if work.chain is not None:
            self._chains.add(-work.chain, work)
            self._work += work.chain * work.least
        if work.seconds is not None and not soon:
            self._lengths.add(work.seconds, work)

    def discard(self, work: Work) -> None:
        """Take a work out, if it is there."""
        if work in self._chains and work.chain is not None:
            self._work -= work.chain * work.least
        for works in (self.ready, self.soon, self._chains, self._lengths):
            works.discard(work)

    @property
    def load(self) -> tuple[float, int, int]:
        """GPU-seconds of the works whose chain is known, how many these are, and how many wait in all."""
        return self._work, len(self._chains), len(self)

    def ranked(self, critical: float | None) -> Iterator[tuple[bool, Work]]:
        """Its works as they should start: critical ones, the longest chain first, then in the user's order.

        Args:
            critical: how long a chain must be to be a critical one, in seconds; ``None``: none is.
        """
        for work in self._chains if critical is not None else ():
            if critical is None or work.chain is None or work.chain < critical:
                break
            yield True, work
        for work in heapq.merge(self.ready, self.soon, key=lambda work: work.order):
            if critical is None or work.chain is None or work.chain < critical:
                yield False, work

    def longest_within(self, seconds: float) -> Work | None:
        """Of the works that can start the longest that is known to take no longer."""
        return self._lengths.last_within(seconds)
