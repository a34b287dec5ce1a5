"""What `plan` says of the time and the disk that is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli.table import counted, wrapped
from orchestrator.plan.bill import Bill
from orchestrator.plan.forecast import HOUR, Forecast, Need, forecast, free_bytes

GB = 1e9


def figures(gpu_hours: float | None, disk_bytes: int | None) -> dict[str, str | None]:
    """The cells of a table; empty where nothing is known."""
    hours = None if gpu_hours is None else _short(gpu_hours)
    return {"GPU h": hours, "disk GB": None if disk_bytes is None else _short(disk_bytes / GB)}


def said(need: Need) -> str:
    """What a stage takes in words, e.g. ``2 h 5 min on 8 GPUs (16.7 GPU h), 0.3 GB``; empty where nothing is known."""
    seconds, size = need.expected
    parts = []
    if seconds is not None and (need.gpu_hours is not None or not need.gpus) and round(seconds):
        where = f" on {counted(need.gpus, 'GPU')} ({_short(need.gpu_hours or 0)} GPU h)" if need.gpus else ""
        parts.append(f"{duration(seconds)}{where}")
    if size:
        parts.append(_bytes(size))
    return ", ".join(parts)


def billed(bill: Bill) -> str:
    """What a hosted model's answers come to in words, for the line below."""
    frames = f" ({_millions(bill.frame_tokens)} of them frames)" if bill.frame_tokens else ""
    most = "" if bill.frame_tokens is None else "at most "
    cost = "" if bill.cost is None else f": about {_dollars(bill.cost)}"
    return (
        f"{counted(bill.requests, 'request')}, about {_millions(bill.prompt_tokens)} tokens of prompts{frames}, "
        f"{most}{_millions(bill.answer_tokens)} of answers{cost}"
    )


def need_data(need: Need | None) -> dict[str, Any]:
    """The same for programs; of a stage that is done nothing."""
    if need is None:
        return {}
    seconds, size = need.expected
    bill = {"bill": need.bill._asdict()} if need.bill else {}
    return {"seconds": seconds, "gpu_hours": need.gpu_hours, "disk_bytes": size, **bill}


def whole(plans: Sequence[Sequence[Need]], runs_dir: Path) -> list[str]:
    """What is left of all plans takes, in sentences: GPU hours, disk beside what is free, and how to learn more."""
    left = forecast(plans)
    if not left.stages:
        return []
    parts = [f"{_short(left.gpu_hours)} GPU hours"] if left.gpu_hours else []
    text = [_sentence(left, parts, runs_dir)]
    if left.best_hours is not None:
        text.append(f"At best {duration(left.best_hours * HOUR)} on the {counted(left.gpus, 'GPU')} here.")
    if left.unknown:
        text.append(_unknown(left))
    return text


def _sentence(left: Forecast, parts: list[str], runs_dir: Path) -> str:
    size, free = _bytes(left.disk_bytes), free_bytes(runs_dir)
    if left.cost:
        parts.append(f"{_dollars(left.cost)} for hosted models,")
    parts.append(f"{size} of disk")
    some = f", and {counted(left.sizes_unknown, 'stage')} of unknown size" if left.sizes_unknown else ""
    text = wrapped(f"What is left takes about {' and '.join(parts)}{some}.", "")
    if free is None:
        return text
    if left.disk_bytes > free:
        hint = "free some, or name another disk with --runs-dir"
        return (
            text
            + "\n"
            + wrapped(f"the disk of {runs_dir} has {_bytes(free)} free, {size} are needed: {hint}", "note: ")
        )
    return f"{text}\n{wrapped(f'The disk of {runs_dir} has {_bytes(free)} free.', '')}"


def _unknown(left: Forecast) -> str:
    kinds = {stage.kind for stage in left.unknown}
    options = [f"--set resources.seconds_per_{what}=..." for what, those in
               (("step", {"train"}), ("answer", {"infer", "select"})) if kinds & those]  # fmt: skip
    many = f"{counted(len(left.unknown), 'stage')} on GPUs"
    return wrapped(
        f"How long {many} will take is not known: nothing like them was run yet. Run a little first, e.g. "
        f"`run RECIPE --limit 200`, or say it: {' '.join(options)}",
        "",
    )


def duration(seconds: float) -> str:
    """A length of time in words: 12 s, 5 min, 2 h 5 min, 30 h."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest and hours < 24 else f"{hours + round(rest / 60):,} h"


def _bytes(size: float) -> str:
    if size >= 1e13:
        return f"{size / 1e12:,.0f} TB"
    return f"{_short(size / GB)} GB" if size >= 5e7 else f"{max(size / 1e6, 0.1):.1f} MB"


def _millions(tokens: int) -> str:
    return f"{tokens / 1e6:,.1f} million" if tokens >= 1e6 else f"{tokens:,}"


def _dollars(cost: float) -> str:
    return f"{cost:,.0f} USD" if cost >= 100 else f"{cost:,.2f} USD"


def _short(value: float) -> str:
    if not value:
        return "0"
    if value < 0.05:
        return "<0.1"
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}"
