"""``logs``: what runs, or ran last, says."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli.in_queue import Queue
from orchestrator.cli.log_places import JobPlace, places_of
from orchestrator.cli.log_printer import Printer
from orchestrator.cli.run_folders import chosen_runs
from orchestrator.cli.stages_on_disk import state_of_run
from orchestrator.cli.table import tell
from orchestrator.errors import InputError, did_you_mean
from orchestrator.launch.slurm.reasons import why
from orchestrator.machine.growing import Growing

LOOK_SECONDS = 0.5
SETTLE_SECONDS = 5.0  # that nobody works on a job before it counts as over: between two stages nobody does


def print_logs(run: str, job: str | None, runs_dir: Path, *, lines: int, follow: bool) -> None:
    """Print the end of the newest log of a run, or of each of its jobs that run now.

    Args:
        run: the name of one, or its recipe's file.
        job: only this job's, ``MELD``, or that of one of its stages, ``MELD/train``.
        runs_dir: where the runs are.
        lines: how many of each.
        follow: go on until they end.

    Raises:
        InputError: there is no such run or job, or it has no log.
    """
    wanted = _Wanted(run, *(job or "").partition("/")[::2], runs_dir.expanduser())
    with contextlib.suppress(KeyboardInterrupt):  # whoever reads has read enough
        if follow:
            _Follower(wanted, lines).run()
        else:
            _print_ends(wanted, lines)


@dataclass(frozen=True)
class _Wanted:
    """Of which run, which job (all if empty) and which kind of stage (any) logs are wanted."""

    run: str
    job: str
    stage: str
    runs_dir: Path

    def places(self) -> list[JobPlace]:
        """The jobs that are meant."""
        found = places_of(chosen_runs(self.run, self.runs_dir))
        if not self.job:
            return found
        if named := [place for place in found if place.name == self.job]:
            return named
        hint = did_you_mean(self.job, [place.name for place in found]) or "`status` tells what waits, and for what"
        raise InputError(f"{self.job} of {self.run} has not begun, or there is no such job", hint=hint)

    @property
    def name(self) -> str:
        return f"{self.run} {self.job}{f'/{self.stage}' if self.stage else ''}".strip()


def _labels(places: Sequence[JobPlace]) -> dict[JobPlace, str]:
    """What stands before each job's lines: nothing where there is one, else its name, of several runs theirs, too."""
    if len(places) == 1:
        return {places[0]: ""}
    several = len({place.run for place in places}) > 1
    return {place: f"{place.run.name} {place.name}" if several else place.name for place in places}


def _print_ends(wanted: _Wanted, lines: int) -> None:
    logs = {place: log for place in wanted.places() if (log := place.log(wanted.stage))}
    if not logs:
        raise InputError(f"{wanted.name} has no log yet", hint="`status` tells what waits, and for what")
    # what runs now, else what ran last
    shown = [place for place in logs if place.runs]
    shown = shown or [max(logs, key=lambda place: logs[place].stat().st_mtime)]
    printer = Printer(_labels(shown).values())
    for place, label in _labels(shown).items():
        printer.head(label, logs[place])
        end = Growing(logs[place], lines)
        printer.lines(label, [*end.new(), *filter(None, [end.state])])


@dataclass
class _Follower:
    """Follows the logs of jobs from stage to stage, until all of them have ended."""

    wanted: _Wanted
    count: int
    queue: Queue = field(default_factory=Queue)
    logs: dict[Path, Growing] = field(default_factory=dict)
    now: dict[tuple[Path, str], Path] = field(default_factory=dict)
    told: dict[tuple[Path, str], str] = field(default_factory=dict)

    def run(self) -> None:
        first = self.wanted.places()
        if not any(self._going(first).values()):
            _print_ends(self.wanted, self.count)
            tell(f"nothing of {self.wanted.name} runs", file=sys.stderr)
            return
        printer = Printer(_labels(first).values())
        last = time.monotonic()
        while True:
            places = self.wanted.places()
            going = self._going(places)
            labels = _labels(places)
            for place, one in going.items():
                if one or (place.run, place.name) in self.now:
                    self._show(place, labels[place], printer)
            now = time.monotonic()
            if any(going.values()):
                last = now
            if self._over(places, going, now - last):
                break
            time.sleep(LOOK_SECONDS)
        printer.close()

    def _going(self, places: Sequence[JobPlace]) -> dict[JobPlace, bool]:
        """Which jobs are worked on, or wait: in Slurm's queue, or for GPUs that the run's others have."""
        running = {place: place.runs for place in places}
        self.queue.ask({place.number for place in places if place.number and not running[place]})
        busy = {run for run in {place.run for place in places} if state_of_run(run) != "not running"}
        return {
            place: running[place] or place.number in self.queue.found or (place.run in busy and not place.over)
            for place in places
        }

    def _over(self, places: Sequence[JobPlace], going: dict[JobPlace, bool], idle: float) -> bool:
        """Whether nothing is to come: no job goes on, and has not for a while or has come to its end."""
        if any(going.values()):
            return False
        return idle >= SETTLE_SECONDS or all(place.over for place in places)

    def _show(self, place: JobPlace, label: str, printer: Printer) -> None:
        """Print what is new of a job's log; of the first one its end."""
        key, path = (place.run, place.name), place.log(self.wanted.stage)
        before = self.now.get(key)
        if before and before != path:
            self._print(label, self.logs[before], printer)  # what came last to the stage that is over
        if path:
            if path != before:
                self.now[key] = path
                printer.head(label, path)
            if path not in self.logs:  # a stage that has just begun is shown whole
                self.logs[path] = Growing(path, None if before else self.count)
            self._print(label, self.logs[path], printer)
        self._tell_waiting(place, label, printer)

    @staticmethod
    def _print(label: str, log: Growing, printer: Printer) -> None:
        while new := log.new():
            printer.lines(label, new)
        printer.state(label, log.state)

    def _tell_waiting(self, place: JobPlace, label: str, printer: Printer) -> None:
        """Say why a job waits in Slurm's queue, when that changes."""
        job = self.queue.found.get(place.number)
        reason = why(job, place.number, 0) if job and not place.runs else ""
        if reason != self.told.get((place.run, place.name), ""):
            self.told[place.run, place.name] = reason
            if reason:
                printer.note(label or place.name, f"Slurm job {place.number} {reason}")
