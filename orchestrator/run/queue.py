"""Which stages start now, and on which GPUs: rules alone, without threads, clocks and files."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence

from orchestrator.run.leases import Leases
from orchestrator.run.turns import Choice, Look, Running, Turns
from orchestrator.run.works import Line, Sorted, Work

__all__ = ["Queue", "Running", "Work"]


class Queue:
    """The stages that wait and run on one machine.

    Args:
        gpus: names as CUDA_VISIBLE_DEVICES gives them.
        jobs: how many stages may run at once; with 1 they run in the user's order.
        cpu: how many of them may load a model on the CPU or ask a hosted one.

    Attributes:
        running: the stages that run.
    """

    def __init__(self, gpus: Sequence[str], jobs: int, cpu: int = 1):
        if jobs < 1 or cpu < 1:
            raise ValueError(f"{jobs} stages at once, {cpu} of them on the CPU: at least one each")
        self._leases, self._jobs, self._cpu = Leases(gpus), jobs, cpu
        self._turns = Turns(len(self._leases), one_by_one=jobs == 1)
        self._light, self._host = Sorted(), Sorted()
        self._hosts = 0  # stages that run in a place on the CPU
        self.running: dict[Work, Running] = {}
        self._elsewhere: dict[str, Work] = {}

    @property
    def machines(self) -> int:
        """How many machines share what waits, as far as is known: the more, the earlier the longest chains start."""
        return self._turns.machines

    @machines.setter
    def machines(self, number: int) -> None:
        """Say how many there are by now."""
        self._turns.machines = number

    @property
    def free(self) -> tuple[str, ...]:
        """The GPUs that no stage has."""
        return self._leases.free

    @property
    def unused(self) -> tuple[str, ...]:
        """The GPUs that no stage of this run has."""
        return (*self._leases.free, *self._elsewhere)

    def add(self, work: Work, *, soon: bool = False) -> None:
        """Have a stage start when its turn comes; once more without ``soon`` when what it follows has ended.

        Args:
            work: the stage.
            soon: it cannot start yet, but follows a short stage without GPUs that runs or is ready. GPUs are kept for
                it as if it were ready, so take it out again if what it follows fails.

        Raises:
            ValueError: the machine has fewer GPUs than it needs, or it runs already.
        """
        if work in self.running:
            raise ValueError(f"{work.name} runs already")
        if work.least > self._turns.total:
            raise ValueError(f"{work.name} needs {work.least} GPUs, there are {self._turns.total}")
        self.remove(work)
        if work.least:
            self._turns.line(work).add(work, soon)
        elif not soon:
            (self._host if work.host else self._light).add(work.order, work)

    def remove(self, work: Work) -> None:
        """Forget a stage that will not start; nothing happens if it does not wait."""
        if work.least:
            self._turns.line(work).discard(work)
        self._host.discard(work)
        self._light.discard(work)

    def give_back(self, work: Work) -> None:
        """A stage has ended, well or not.

        Raises:
            KeyError: it does not run.
        """
        self._leases.give_back(self.running.pop(work).lease)
        self._hosts -= work.host
        if work.least:
            self._turns.end(work)

    def elsewhere(self, names: Collection[str]) -> None:
        """Of the GPUs that no stage here has, other runs on this machine have these, and no others."""
        for name in [name for name in self._elsewhere if name not in names]:
            self._leases.give_back([name])
            self._turns.end(self._elsewhere.pop(name))
        for name in names:
            if self._leases.claim(name):
                work = self._elsewhere[name] = Work("another run", -1, 1)
                self._turns.occupy(work, Running(1, 0.0, None, (name,)))

    def start(self, now: float = 0.0) -> list[tuple[Work, tuple[str, ...]]]:
        """The stages that start now, each with its GPUs; they count as running from here on. Call it after each change.

        Args:
            now: seconds, of any clock that does not go back.
        """
        begun: dict[Work, Running] = {}
        while not self._full and (choice := self._next(now)):
            work = choice.work
            self.remove(work)
            begun[work] = self.running[work] = Running(work.least, now, _end(work, now, work.least))
            self._hosts += work.host
            if work.least:
                self._turns.begin(choice, begun[work])
            if work.most > work.least and self._holds_up(work, now):
                self._widen({work: begun[work]}, now)  # before anything overtakes what waits for it to end
        self._widen(begun, now)
        for running in sorted(begun.values(), key=lambda running: -running.gpus):
            running.lease = self._leases.take(running.gpus)
        return [(work, running.lease) for work, running in begun.items()]

    def waiting(self, most: int | None = None) -> list[tuple[Work, str]]:
        """What could start but does not, in the user's order, each with for what it waits.

        Args:
            most: the first so many, where the others are not shown anyway.
        """
        full = f"for one of {self._jobs} places (--jobs)" if self._full else ""
        cpu = f"for the CPU, where {'one stage works' if self._cpu == 1 else f'{self._cpu} stages work'} at a time"
        found = [(work, full or "for its turn") for work in self._light]
        found += [(work, full or cpu) for work in self._host]
        look = Look() if full else self._turns.look(0.0)
        for line in self._turns.lines:
            reason = full or self._lacks(line, look)
            found += [(work, reason) for work in line.ready]
        first = len(found) if most is None else most
        return heapq.nsmallest(first, found, key=lambda pair: pair[0].order)

    def _lacks(self, line: Line, look: Look) -> str:
        free, needs = self._turns.left, f"for {line.least} GPU{'s' * (line.least > 1)}"
        others = len(self._elsewhere)
        if line.least <= free and look.first:
            return f"{needs}, kept for {look.first.name}, which needs {look.first.least}"
        beside = f", {others} {'is' if others < 2 else 'are'} in use by other runs" if others else ""
        return f"{needs}, {free or 'none'} {'is' if free < 2 else 'are'} free{beside}"

    @property
    def _full(self) -> bool:
        return len(self.running) >= self._jobs

    def _next(self, now: float) -> Choice | None:
        """What starts next: of the kinds of stages that can, the one that comes first in the user's order."""
        first = [self._light.first(), self._host.first() if self._hosts < self._cpu else None]
        found = [Choice(work) for work in first if work]
        if choice := self._turns.look(now).choice:
            found.append(choice)
        return min(found, key=lambda choice: choice.work.order, default=None)

    def _holds_up(self, work: Work, now: float) -> bool:
        """Whether the first that waits for GPUs cannot begin before a stage ends, whatever that leaves to it."""
        first = self._turns.look(now).first
        return first is not None and first.least > self._turns.total - work.least

    def _widen(self, begun: dict[Work, Running], now: float) -> None:
        """Share out the GPUs that nothing else can use among the stages that begin and can use more."""
        turns = self._turns
        elastic = {work: running for work, running in begun.items() if work.most > work.least > 0}
        if not elastic or not turns.left:
            return
        first = None if self._full else turns.look(now).first
        spare = {work: self._spare(work, first) for work in elastic}
        while can := [
            work
            for work, running in elastic.items()
            if work.least <= turns.left and running.gpus <= spare[work] and running.gpus + work.least <= work.most
        ]:
            work = min(can, key=lambda work: (elastic[work].gpus / work.least, work.order))
            elastic[work].gpus += work.least
            turns.left -= work.least
        for work, running in elastic.items():
            running.ends = _end(work, running.begun, running.gpus)

    def _spare(self, work: Work, first: Work | None) -> int:
        """GPUs beyond its least that a stage may have, so that nothing that waits or comes soon lacks them.

        Args:
            work: the stage.
            first: the first that waits for GPUs, if any does.
        """
        turns = self._turns
        beside = [line for line in turns.lines if line.least <= turns.total - work.least]
        if self._full:  # others wait for a place, then for GPUs
            return min(turns.left, turns.total // min(self._jobs, 1 + sum(map(len, beside))) - work.least)
        if first is None or first.least > turns.total - work.least:
            return turns.left  # what waits cannot begin before it ends
        return turns.left - sum(line.least * len(line) for line in beside)


def _end(work: Work, now: float, gpus: int) -> float | None:
    """When a stage that begins now is expected to end, given so many GPUs."""
    return None if work.seconds is None else now + work.seconds * work.least / max(gpus, work.least, 1)
