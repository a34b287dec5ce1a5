"""Which stage runs when: as many at once as the GPUs allow, each in a thread of its own.

One thread, the main one, chooses, tells the listener and writes results; the others do the stages' work and put what
is to be told into its inbox. A job is locked only while a stage of it runs, so that several processes, on one machine
or on many, can share the jobs of a recipe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from orchestrator.plan.devices import device_of
from orchestrator.plan.known import Known
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.run.faults import as_failure
from orchestrator.run.killed import end_left
from orchestrator.run.lines import Line, Lines
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


@dataclass(frozen=True)
class _Running:
    line: Line
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
        self._listener, self._results = listener, results
        self._gpus = GpuLocks()
        self._lines = Lines(plans, queue, known)
        self._running: dict[Stage, _Running] = {}
        self._open: dict[Path, set[Line]] = {}  # what is not over, by the folder of its run
        self._presence = Presence(())
        self._held: dict[Line, Owner] = {}
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
        for line in self._lines.all:
            self._open.setdefault(line.plan.folder, set()).add(line)
        self._presence = Presence(self._open)
        try:
            return self._run()
        finally:
            self._presence.leave_all()

    def _run(self) -> list[Failure]:
        for line in self._lines.all:
            self._advance(line)
        try:
            while self._running or (not self._stop.asked and (self._lines or self._held)):
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

    def _advance(self, line: Line) -> None:
        """Have a job go on with its next stage."""
        if elsewhere := self._lines.advance(line):
            self._listener.skipped(elsewhere)
        if not line.works:
            self._over(line)

    def _over(self, line: Line) -> None:
        """Nothing more is done of a job; others see when that goes for a whole run."""
        lines = self._open[line.plan.folder]
        lines.discard(line)
        if not lines:
            self._presence.leave(line.plan.folder)

    def _start(self) -> None:
        """Start what the queue chooses, until it chooses nothing more."""
        refused = False
        while not refused and (chosen := self._queue.start(time.monotonic())):
            for work, gpus in chosen:
                line, stage = self._lines.of(work)
                if not self._gpus.claim(gpus):
                    self._queue.give_back(work)
                    self._queue.add(work)
                    refused = True
                    continue
                self._lines.taken(work)
                try:
                    if self._lock(line) and line.job.todo()[:1] == [stage]:
                        self._begin(line, stage, work, gpus)
                        continue
                except (InputError, RuntimeError) as error:  # the disk is full, or no thread can be started
                    self._fail(line, stage, as_failure(error))
                    self._give_back(line, work, gpus)
                    continue
                self._give_back(line, work, gpus)
                self._lines.forget(line)
                if line not in self._held:
                    self._advance(line)  # another process did it, or undid what it needs
        if refused:  # another run has one of those GPUs; what else can start does in the next round
            self._look_at_gpus()

    def _lock(self, line: Line) -> bool:
        """Take the lock of a job; whoever holds it otherwise is remembered."""
        taken: Lease | Owner = owner_of(line.folder) or take(line.folder)
        if isinstance(taken, Owner):
            self._held[line] = taken
            return False
        line.lock = taken
        return True

    def _begin(self, line: Line, stage: Stage, work: Work, gpus: tuple[str, ...]) -> None:
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

    def _fail(self, line: Line, stage: Stage, error: OrchestratorError) -> None:
        self._listener.failed(stage, error)
        self._failures.append((stage, error))
        self._lines.forget(line)
        self._over(line)

    def _release(self, stage: Stage) -> Line:
        running = self._running.pop(stage)
        self._give_back(running.line, running.work, running.gpus)
        return running.line

    def _give_back(self, line: Line, work: Work, gpus: Sequence[str]) -> None:
        self._queue.give_back(work)
        self._gpus.give_back(gpus)
        line.release()

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
            for line in [line for line in self._held if not owner_of(line.folder)]:
                del self._held[line]
                self._advance(line)

    def _look_at_gpus(self) -> None:
        """See which GPUs other runs on this machine use."""
        used = self._gpus.elsewhere(self._queue.unused)
        self._queue.elsewhere(used)

    def _tell_waiting(self) -> None:
        waits = [(self._lines.of(work)[1], what) for work, what in self._queue.waiting()]
        waits += [(line.left[0], f"for {line.job.name}, which {owner} works on") for line, owner in self._held.items()]
        if waits != self._waits:
            self._waits = waits
            self._listener.waits(waits)
        if self._held and not self._running and not self._lines and not self._told:
            self._told = True
            work = "; ".join(f"{line.job.name}: {owner}" for line, owner in self._held.items())
            self._listener.line(f"nothing is left but what other processes work on, whose end is waited for: {work}")
