"""How long a stage's attempts took, by what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.plan.record import Attempt


class Times(NamedTuple):
    """Wall time in seconds.

    ``work``: of steps or answers that count; ``startup``: before the first of them, in each attempt; ``aborted``: of
    attempts of which nothing was kept.
    """

    work: float
    startup: float
    aborted: float


def times(attempts: Sequence[Attempt]) -> Times:
    """The times of a stage that is done, from all its attempts, the oldest first.

    Of an attempt something was kept where the next one went on from something new. Steps that were done again, between
    a checkpoint and a stop, count as work twice.
    """
    work = startup = aborted = 0.0
    after: str | None = None  # what the attempt behind went on from
    for attempt in reversed(attempts):
        seconds, until_first = attempt.seconds or 0.0, attempt.startup_seconds or 0.0
        if after == "" or (after is not None and after == attempt.resumed_from):
            aborted += seconds
        else:
            startup += until_first
            work += seconds - until_first
        after = after if after == "" else attempt.resumed_from
    return Times(work, startup, aborted)
