"""Queues as tests of them make them."""

from __future__ import annotations

from orchestrator.run.queue import Queue, Work


def names(started: list[tuple[Work, tuple[str, ...]]]) -> list[str]:
    """What started, in order."""
    return [work.name for work, _ in started]


def leases(started: list[tuple[Work, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """The GPUs of each stage that started."""
    return {work.name: lease for work, lease in started}


def filled(gpus: int, *works: Work, jobs: int = 100) -> Queue:
    """A queue whose works all wait."""
    queue = Queue([str(number) for number in range(gpus)], jobs)
    for work in works:
        queue.add(work)
    return queue


def known(name: str, order: int, least: int, seconds: float) -> Work:
    """A stage that takes so long, alone in its job."""
    return Work(name, order, least, seconds=seconds, chain=seconds)
