"""Jobs under a clock of their own: machines, each with its queue, for tests and benchmarks of the queue."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from orchestrator.run.queue import Queue, Work


@dataclass(frozen=True)
class Step:
    """A stage of a simulated job. ``seconds``: how long it takes on ``least`` GPUs; on twice as many half as long.

    ``load``: seconds of it that more GPUs make no shorter: every process loads the model.
    """

    seconds: float
    least: int = 0
    most: int = 0
    load: float = 0.0
    host: bool = False

    def on(self, gpus: int) -> float:
        """Seconds on so many GPUs."""
        return self.load + (self.seconds - self.load) * self.least / gpus if self.least else self.seconds


Job = Sequence[Step]


@dataclass
class Started:
    """A stage that was started: when it could start, when it did, where, and for how long."""

    work: Work
    machine: int
    ready: float
    begun: float
    lease: tuple[str, ...]
    seconds: float


@dataclass
class Simulation:
    """Jobs on machines that know nothing of each other but who has a job.

    Args:
        jobs: their steps; a job stays on the machine that first gave it GPUs, or a place on the CPU.
        machines: the queue of each.
        told: what a queue is told of a stage's length, from how long it will take; ``None``: nothing.
        check: called with a machine's queue after each change.
        early: a machine has a job from its first stage on, also where that is a conversion.
    """

    jobs: Sequence[Job]
    machines: Sequence[Queue]
    told: Callable[[float], float | None] = lambda seconds: None
    check: Callable[[Queue], None] = lambda queue: None
    early: bool = False
    started: list[Started] = field(default_factory=list)
    _ready: dict[Work, float] = field(default_factory=dict)
    _at: dict[Work, tuple[int, int]] = field(default_factory=dict)
    _works: dict[tuple[int, int], Work] = field(default_factory=dict)
    _owner: dict[int, int] = field(default_factory=dict)

    def run(self) -> float:
        """Run all jobs; returns the makespan in seconds."""
        now, serial = 0.0, count()
        ends: list[tuple[float, int, int, Work]] = []
        for number in range(len(self.jobs)):
            self._offer(number, 0, now)
        changed = set(range(len(self.machines)))
        while True:
            for machine in sorted(changed):
                queue = self.machines[machine]
                for work, lease in queue.start(now):
                    self._begin(work, machine)
                    seconds = self._step(work).on(len(lease))
                    self.started.append(Started(work, machine, self._ready[work], now, lease, seconds))
                    heapq.heappush(ends, (now + seconds, next(serial), machine, work))
                self.check(queue)
            if not ends:
                break
            now, _, machine, work = heapq.heappop(ends)
            self.machines[machine].give_back(work)
            job, step = self._at[work]
            changed = {machine}
            if step + 1 < len(self.jobs[job]):
                changed |= set(self._offer(job, step + 1, now))
        assert len(self.started) == sum(map(len, self.jobs)), "some never started"
        return now

    def _step(self, work: Work) -> Step:
        job, step = self._at[work]
        return self.jobs[job][step]

    def _offer(self, job: int, step: int, now: float) -> Sequence[int]:
        """Tell queues of a stage that can start, and of what follows it soon; returns which."""
        owner = self._owner.get(job)
        machines = range(len(self.machines)) if owner is None else [owner]
        work = self._work(job, step)
        self._ready[work] = now
        for machine in machines:
            self.machines[machine].add(work)
            if not (work.least or work.host) and step + 1 < len(self.jobs[job]):
                self.machines[machine].add(self._work(job, step + 1), soon=True)
        return machines

    def _begin(self, work: Work, machine: int) -> None:
        """No other machine starts it, nor what follows in its job once that is this machine's."""
        job, step = self._at[work]
        if job in self._owner:
            return
        if work.least or work.host or self.early:
            self._owner[job] = machine
        gone = [self._work(job, number) for number in range(len(self.jobs[job]) if job in self._owner else step + 1)]
        for other, queue in enumerate(self.machines):
            for one in gone if other != machine else ():
                queue.remove(one)

    def _work(self, job: int, step: int) -> Work:
        """The work of a stage, the same each time."""
        if (job, step) not in self._works:
            steps = self.jobs[job]
            told = [self.told(one.seconds) for one in steps[step:]]
            chain = sum(one for one in told if one is not None) if told[0] is not None else None
            one = steps[step]
            order = job * 10 + step
            work = Work(f"{job}/{step}", order, one.least, one.most, one.host, told[0], chain)
            self._works[job, step], self._at[work] = work, (job, step)
        return self._works[job, step]


def bound(jobs: Sequence[Job], gpus: int, widest: int | None = None) -> float:
    """What no order can beat: all GPU-seconds over the GPUs, or the longest job, in seconds.

    Args:
        jobs: their steps.
        gpus: GPUs in all.
        widest: GPUs of one machine, which a job never leaves; all of them by default.
    """
    alone = max(sum(one.on(max(one.least, min(one.most, widest or gpus))) for one in job) for job in jobs)
    return max(sum(one.seconds * one.least for job in jobs for one in job) / gpus, alone)


def random_jobs(seed: int, number: int = 200, lengths: str = "uniform", elastic: bool = False) -> list[Job]:
    """Chains (convert, train, infer, score) and single stages, with needs of 1, 2, 4 and 8 GPUs.

    Args:
        seed: of everything random.
        number: of jobs.
        lengths: of stages on GPUs, mean an hour: ``uniform`` between 0 and 2, ``exponential``, ``lognormal`` (sigma
            1.5) or ``pareto`` (shape 1.2: a fifth of the stages takes most of the time).
        elastic: let every third stage that answers use up to 8 GPUs.
    """
    rng = random.Random(seed)
    draw = {
        "uniform": lambda: rng.uniform(0, 7200),
        "exponential": lambda: rng.expovariate(1 / 3600),
        "lognormal": lambda: rng.lognormvariate(-1.125, 1.5) * 3600,
        "pareto": lambda: rng.paretovariate(1.2) * 600,
    }[lengths]

    def stages() -> Iterator[Step]:
        chain = rng.random() < 0.5
        if chain:
            yield Step(rng.uniform(1, 20))
            yield Step(draw(), rng.choice((1, 2, 4, 8)))
        least = rng.choice((1, 2, 4, 8))
        yield Step(draw(), least, 8 if elastic and rng.random() < 1 / 3 else least)
        if chain:
            yield Step(rng.uniform(1, 5))

    return [list(stages()) for _ in range(number)]


def slots(count: int) -> list[str]:
    """Names of GPUs."""
    return [f"GPU-{number:04x}" for number in range(count)]
