"""Which stage runs when: as many at once as the GPUs allow, each in a thread of its own.

One thread, the main one, chooses, tells the listener and writes results; the others do the stages' work and put what
is to be told into its inbox. A job is locked only while a stage of it runs, so that several processes, on one machine
or on many, can share the jobs of a recipe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol

from orchestrator.errors import InputError, Interrupted, OrchestratorError, StageError
from orchestrator.launch.local import Launcher
from orchestrator.machine.gpu_locks import GpuLocks
from orchestrator.machine.leases import Lease, Owner, owner_of, take
from orchestrator.machine.presence import Presence
from orchestrator.machine.signals import Stop
from orchestrator.plan.devices import device_of, need_of
from orchestrator.plan.estimate import expected
from orchestrator.plan.known import Known
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.run.faults import as_failure
from orchestrator.run.killed import end_left
from orchestrator.run.listener import Listener
from orchestrator.run.perform import Performed, perform
from orchestrator.run.queue import Queue, Work
from orchestrator.run.record import taken_over
from orchestrator.run.stages.context import Context

TICK_SECONDS = 0.5
LOOK_SECONDS = 2.0  # after which jobs that other processes work on are looked at again

Failure = tuple[Stage, OrchestratorError]


class Results(Protocol):
    """Who writes results while a run goes on."""

    def scored(self, plan: Plan, job: Job) -> None:
        """The answers of a job are scored."""

    def tick(self) -> None:
        """Some time has passed."""


@dataclass(eq=False)
class _Line:
    """A job on its way through its stages.

    Attributes:
        plan: the job's.
        job: the job.
        order: its place among all jobs.
        left: of its stages those that are not done, as far as the listener was told.
        works: what the queue has of it: the next stage, and one that is to come soon.
        lock: held while a stage of it runs.
    """

    plan: Plan
    job: Job
    order: int
    left: list[Stage]
    works: dict[Stage, Work] = field(default_factory=dict)
    lock: Lease | None = None


@dataclass(frozen=True)
class _Running:
    line: _Line
    work: Work
    gpus: Sequence[str]
    stop: Stop


class Scheduler:
    """Runs what is not done of some plans; a job that fails does not stop the others."""

    def __init__(
        self,
        plans: Sequence[Plan],
        queue: Queue,
        launcher: Launcher,
        stop: Stop,
        listener: Listener,
        results: Results,
        known: Known | None = None,
    ):
        """``stop``: asked by signals. ``known``: what earlier runs took, where that is to decide the order."""
        self._queue, self._launcher, self._stop = queue, launcher, stop
        self._known = known
        self._gpus = GpuLocks()
        self._listener, self._results = listener, results
        jobs = [(plan, job) for plan in plans for job in plan.jobs]
        self._lines = [_Line(plan, job, order, list(job.stages)) for order, (plan, job) in enumerate(jobs)]
        self._stage_of: dict[Work, tuple[_Line, Stage]] = {}
        self._running: dict[Stage, _Running] = {}
        self._open: dict[Path, set[_Line]] = {}  # what is not over, by the folder of its run
        self._presence = Presence(())
        self._held: dict[_Line, Owner] = {}
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._failures: list[Failure] = []
        self._ticked = self._looked = 0.0
        self._waits: list[tuple[Stage, str]] = []
        self._told = False

    def run(self) -> list[Failure]:
        """Run them.

        Returns:
            The stages that failed, with why.

        Raises:
            Interrupted: it was asked to stop; nothing is left running.
        """
        for line in self._lines:
            self._open.setdefault(line.plan.folder, set()).add(line)
        self._presence = Presence(self._open)
        try:
            return self._run()
        finally:
            self._presence.leave_all()

    def _run(self) -> list[Failure]:
        for line in self._lines:
            self._advance(line)
        try:
            while self._running or (not self._stop.asked and (self._stage_of or self._held)):
                if not self._stop.asked:
                    self._start()
                self._tick()
                self._listen()
        except BaseException:
            self._stop.ask("a fault of the program")
            while self._running:
                with suppress(Exception):
                    self._listen()
            raise
        self._stop.check()
        return self._failures

    def _advance(self, line: _Line) -> None:
        """Put a job's next stage into the queue, and what will soon follow it onto GPUs."""
        todo = line.job.todo()
        elsewhere = [stage for stage in line.left if stage not in todo]
        if elsewhere:
            self._listener.skipped(len(elsewhere))
        line.left = [stage for stage in line.left if stage in todo]
        for stage in [stage for stage in line.works if stage not in todo]:
            self._forget(line, stage)
        if not todo:
            self._over(line)
            return
        self._wait(line, todo[0])
        if not self._of_note(line, todo[0]):
            heavy = next((stage for stage in todo if self._of_note(line, stage)), None)
            if heavy:
                self._wait(line, heavy, soon=True)

    def _over(self, line: _Line) -> None:
        """Nothing more is done of a job; others see when that goes for a whole run."""
        lines = self._open[line.plan.folder]
        lines.discard(line)
        if not lines:
            self._presence.leave(line.plan.folder)

    @staticmethod
    def _of_note(line: _Line, stage: Stage) -> bool:
        need = need_of(line.job.recipe, stage.kind, device_of(line.plan))
        return bool(need.least or need.host)

    def _wait(self, line: _Line, stage: Stage, *, soon: bool = False) -> None:
        work = line.works.get(stage)
        if work is None:
            # of the other nodes of an allocation it takes the same GPUs as of this one
            need = need_of(line.job.recipe, stage.kind, device_of(line.plan)).on_a_node()
            order = line.order * 10 + line.job.stages.index(stage)
            seconds, *after = self._lengths(line, stage)
            chain = sum(filter(None, (seconds, *after))) or None
            work = Work(_full_name(stage), order, need.least, need.most, need.host, seconds, chain)
            line.works[stage] = work
            self._stage_of[work] = line, stage
        self._queue.add(work, soon=soon)

    def _lengths(self, line: _Line, stage: Stage) -> list[float | None]:
        """Seconds that a stage, and each that follows in its job, is expected to take on the least GPUs."""
        if not self._known:
            return [None]
        found = []
        for one in line.left[line.left.index(stage) :] if stage in line.left else [stage]:
            seconds = expected(line.plan, line.job, one, self._known).seconds
            need = need_of(line.job.recipe, one.kind, device_of(line.plan))
            found.append(seconds * need.most / need.least if seconds is not None and need.least else seconds)
        return found

    def _forget(self, line: _Line, stage: Stage) -> None:
        work = line.works.pop(stage)
        del self._stage_of[work]
        self._queue.remove(work)

    def _forget_all(self, line: _Line) -> None:
        for stage in list(line.works):
            self._forget(line, stage)

    def _start(self) -> None:
        """Start what the queue chooses, until it chooses nothing more."""
        refused = False
        while not refused and (chosen := self._queue.start(time.monotonic())):
            for work, gpus in chosen:
                line, stage = self._stage_of[work]
                if not self._gpus.claim(gpus):
                    self._queue.give_back(work)
                    self._queue.add(work)
                    refused = True
                    continue
                del self._stage_of[work], line.works[stage]
                try:
                    if self._lock(line) and line.job.todo()[:1] == [stage]:
                        self._begin(line, stage, work, gpus)
                        continue
                except (
                    InputError,
                    RuntimeError,
                ) as error:  # the disk is full, or no thread can be started, for example
                    self._fail(line, stage, as_failure(error))
                    self._give_back(line, work, gpus)
                    continue
                self._give_back(line, work, gpus)
                self._forget_all(line)
                if line not in self._held:
                    self._advance(line)  # another process did it, or undid what it needs
        if refused:  # another run has one of those GPUs; what else can start does in the next round
            self._look_at_gpus()

    def _lock(self, line: _Line) -> bool:
        """Take the lock of a job; whoever holds it otherwise is remembered."""
        folder = line.plan.folder / line.job.name
        taken: Lease | Owner = owner_of(folder) or take(folder)
        if isinstance(taken, Owner):
            self._held[line] = taken
            return False
        line.lock = taken
        return True

    def _begin(self, line: _Line, stage: Stage, work: Work, gpus: tuple[str, ...]) -> None:
        self._listener.begin(stage, f"GPU {','.join(gpus)}" if gpus else "")
        stop, lock = Stop(self._stop), line.lock
        assert lock
        context = Context(
            line.plan,
            line.job,
            self._launcher,
            device_of(line.plan),
            report=lambda progress: self._inbox.put(partial(self._listener.progress, stage, progress)),
            say=lambda text: self._inbox.put(partial(self._listener.remark, stage, text)),
            gpus=gpus,
            stop=stop,
            ours=lock.ours,
        )
        Thread(target=self._perform, args=(context, stage, lock.unclean), name=stage.name).start()
        self._running[stage] = _Running(line, work, gpus, stop)

    def _perform(self, context: Context, stage: Stage, unclean: bool) -> None:
        """A stage's own thread; ``unclean``: whoever worked on its job died."""
        try:
            if unclean:
                end_left(context.job_folder, context.recipe, context.say, context.stop)
            self._inbox.put(partial(self._ended, stage, perform(context, stage)))
        except BaseException as error:
            self._inbox.put(partial(self._broke, stage, error))

    def _ended(self, stage: Stage, done: Performed) -> None:
        line = self._release(stage)
        line.left = [other for other in line.left if other != stage]
        self._listener.end(stage, *done)
        if stage.kind == "score":
            self._results.scored(line.plan, line.job)
        self._advance(line)

    def _broke(self, stage: Stage, error: BaseException) -> None:
        own = self._running[stage].stop
        line = self._release(stage)
        if isinstance(error, Interrupted) and self._stop.asked:
            self._listener.stopped(stage)
            return
        self._fail(line, stage, StageError(own.reason) if isinstance(error, Interrupted) else as_failure(error))

    def _fail(self, line: _Line, stage: Stage, error: OrchestratorError) -> None:
        self._listener.failed(stage, error)
        self._failures.append((stage, error))
        self._forget_all(line)
        self._over(line)

    def _release(self, stage: Stage) -> _Line:
        running = self._running.pop(stage)
        self._give_back(running.line, running.work, running.gpus)
        return running.line

    def _give_back(self, line: _Line, work: Work, gpus: Sequence[str]) -> None:
        self._queue.give_back(work)
        self._gpus.give_back(gpus)
        if line.lock:
            line.lock.release()
            line.lock = None

    def _listen(self) -> None:
        """Do what the threads ask for; some time is waited for it."""
        with suppress(Empty):
            self._inbox.get(timeout=TICK_SECONDS)()
            while True:
                self._inbox.get_nowait()()

    def _tick(self) -> None:
        """Do what is to be done now and then."""
        now = time.monotonic()
        if now - self._ticked >= TICK_SECONDS:
            self._ticked = now
            self._tell_waiting()
            self._listener.tick()
            self._results.tick()
            for stage, running in self._running.items():
                if running.line.lock and not running.line.lock.beat() and not running.stop.asked:
                    running.stop.ask(taken_over(stage))
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._presence.beat()
            self._look_at_gpus()
            for line in [line for line in self._held if not owner_of(line.plan.folder / line.job.name)]:
                del self._held[line]
                self._advance(line)

    def _look_at_gpus(self) -> None:
        """See which GPUs other runs on this machine use."""
        used = self._gpus.elsewhere(self._queue.unused)
        self._queue.elsewhere(used)

    def _tell_waiting(self) -> None:
        waits = [(self._stage_of[work][1], what) for work, what in self._queue.waiting()]
        waits += [(line.left[0], f"for {line.job.name}, which {owner} works on") for line, owner in self._held.items()]
        if waits != self._waits:
            self._waits = waits
            self._listener.waits(waits)
        if self._held and not self._running and not self._stage_of and not self._told:
            self._told = True
            work = "; ".join(f"{line.job.name}: {owner}" for line, owner in self._held.items())
            self._listener.line(f"nothing is left but what other processes work on, whose end is waited for: {work}")


def _full_name(stage: Stage) -> str:
    return f"{stage.folder.parent.parent.name} {stage.name}"
