"""Durations as people write and read them."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3600, 86400
# up to so many seconds a remaining time is told in steps of so many: nobody can know it better
STEPS = (
    (MINUTE, 5), (10 * MINUTE, MINUTE), (2 * HOUR, 5 * MINUTE), (10 * HOUR, 15 * MINUTE), (2 * DAY, HOUR)
)  # fmt: skip


def clock(seconds: float) -> str:
    """A duration as people write it: 4.2 s, 3:07, 1:02:33."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """A remaining time in round words: about 40 s, about 1 h 15 min, about 3 days."""
    step = next((step for limit, step in STEPS if seconds <= limit), DAY)
    whole = max(STEPS[0][1], round(seconds / step) * step)
    if whole < MINUTE:
        return f"about {whole} s"
    if whole < HOUR:
        return f"about {whole // MINUTE} min"
    if whole < 2 * DAY:
        hours, rest = divmod(whole, HOUR)
        return f"about {hours} h" + (f" {rest // MINUTE} min" if rest else "")
    return f"about {round(whole / DAY)} days"
