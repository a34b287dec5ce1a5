"""One line on standard error that says how far something is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Meter = Callable[[int, int], None]  # told what is done, and the total
# a log gets a line now and then, a terminal the same line over and over
PLAIN_SECONDS, TERMINAL_SECONDS = 30.0, 0.1


def meter(what: str) -> Meter:
    """A function to call as often as one likes; quick work stays silent where nobody looks on."""
    terminal = sys.stderr.isatty()
    last = time.monotonic() if not terminal else 0.0

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        every = TERMINAL_SECONDS if terminal else PLAIN_SECONDS
        if now - last < every and not (terminal and done >= total):
            return
        last = now
        share = f"{100 * done / total:.0f}%" if total else "100%"
        line = f"{what}: {done:,} of {total:,} ({share})"
        end = ("\n" if done >= total else "") if terminal else "\n"
        print(f"\r{line}" if terminal else line, end=end, file=sys.stderr, flush=True)

    return show
