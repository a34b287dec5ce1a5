"""How many requests are sent at once: up to a number, fewer while the server says that it is asked for too much, none
while it wants to be left alone.

The number is halved when the server is busy, and grows by one for as many answers as it is: additive increase,
multiplicative decrease, as in TCP (Chiu and Jain 1989).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Optional

FIRST_SECONDS, MOST_SECONDS = 0.5, 60.0
# so many failures in a row, at the least, are a round: the server is in trouble, not the requests
LEAST_ROUND = 8


def backoff(times: int) -> float:
    """Seconds to wait after so many failures: 0.5, 1, 2 ... 60, of each between half and all, so that not all wait
    alike.
    """
    return float(min(MOST_SECONDS, FIRST_SECONDS * 2 ** min(times, 20)) * random.uniform(0.5, 1.0))


class Stopped(Exception):
    """No more is to be sent."""


class Gate:
    """Through which requests go; used within one event loop.

    Attributes:
        stopped: nothing goes through any more.
        rounds: how many rounds of failures there were since the last answer.
    """

    def __init__(self, most: int, waits: Callable[[float, bool, str], None]) -> None:
        """``waits``: told before it is so how many seconds nothing is sent, whether the server wants that, and why."""
        self.most, self.limit = most, float(most)
        self.stopped = asyncio.Event()
        self.rounds = 0
        self._waits = waits
        self._flying = 0
        self._failures = 0
        self._busy = 0
        self._changed_at = 0.0  # when it was last made narrower
        self._until = 0.0
        self._moved = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """Wait; raises `Stopped` as soon as it is stopped."""
        if seconds > 0 and not self.stopped.is_set():
            try:
                await asyncio.wait_for(self.stopped.wait(), seconds)
            except asyncio.TimeoutError:
                return
        if self.stopped.is_set():
            raise Stopped

    async def enter(self, may: Callable[[], Optional[bool]]) -> None:
        """Wait until a request may be sent, which then is out until `leave`; raises `Stopped`.

        ``may``: asked last; ``False`` means never, ``None`` not before another one is back.
        """
        while True:
            await self.pause(self._until - time.monotonic())
            if self.stopped.is_set():
                raise Stopped
            if self._until > time.monotonic():
                continue
            if self._flying < int(self.limit):
                allowed = may()
                if allowed:
                    self._flying += 1
                    return
                if allowed is False:
                    raise Stopped
            moved = self._moved
            await moved.wait()

    def leave(self) -> None:
        """A request is back."""
        self._flying -= 1
        self.wake()

    def stop(self) -> None:
        """Let nothing through any more."""
        self.stopped.set()
        self.wake()

    def answered(self) -> None:
        """A request was answered, if only by a refusal of its own."""
        self.limit = min(float(self.most), self.limit + 1 / self.limit)
        self._failures = self._busy = self.rounds = 0

    def failed(self, sent_at: float, said: str, *, busy: bool, wait: Optional[float]) -> None:
        """The server failed at a request that was sent then.

        ``busy``: as it is asked for too much; for so many seconds, if it says so, nothing is sent then.
        """
        self._failures += 1
        fresh = sent_at >= self._changed_at  # else it was out already when the last one failed so
        if self._failures >= max(LEAST_ROUND, int(self.limit)):
            self._failures, fresh = 0, True
            self.rounds += 1
        elif not busy:
            return  # perhaps it is this request alone
        if fresh:
            if busy:
                self.limit = max(1.0, self.limit / 2)
            self._changed_at = time.monotonic()
            self._busy += 1
        if fresh or wait:
            self._hold(wait or backoff(self._busy - 1), bool(wait), said)

    def _hold(self, seconds: float, asked: bool, said: str) -> None:
        until = time.monotonic() + seconds
        if until > self._until:
            self._waits(seconds, asked, said)
            self._until = until

    def wake(self) -> None:
        """Have what waits look again."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
