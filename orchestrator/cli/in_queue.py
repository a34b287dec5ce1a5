"""What became of jobs that were submitted to Slurm, as its queue and the disk tell."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.cli.stages_on_disk import StageRead
from orchestrator.errors import InputError
from orchestrator.launch.slurm import client
from orchestrator.launch.slurm.client import Queued
from orchestrator.launch.slurm.reasons import why
from orchestrator.launch.slurm.submitted import FOLDER, Submitted

LOOK_SECONDS = 15.0  # for an answer that somebody waits for who wants to see how far a run is
ASK_SECONDS = 10.0  # between two questions to Slurm's controller, which many ask
COLUMNS = ("job", "slurm", "queue", "why", "node", "limit")  # of the table
ENDED = ("failed", "stopped", "killed", "ended")  # states of jobs that are in no queue any more


@dataclass(frozen=True)
class SubmittedJob:
    """A job that was submitted and has no result yet.

    Attributes:
        job: its name.
        id: Slurm's number, ``123_4``.
        state: Slurm's word in lower case (pending, running, completing, ...); ``unknown`` where Slurm cannot be asked;
            of a job that is in no queue any more ``failed``, ``stopped`` (it was told to end), ``killed`` (it could not
            say why) or ``ended`` (before any of its work began, or between).
        why: it waits, or has no result.
        node: where it runs.
        left: of its time limit, as Slurm writes it: 1-02:03:04.
        log: the job's own output.
    """

    job: str
    id: str
    state: str
    why: str
    node: str
    left: str
    log: str

    @property
    def waits_or_runs(self) -> bool:
        """Whether Slurm has not done with it."""
        return self.state not in (*ENDED, "unknown")

    @property
    def row(self) -> dict[str, Any]:
        """As people read it."""
        cells = (self.job, self.id, self.state, self.why, self.node, self.left)
        return dict(zip(COLUMNS, cells, strict=True))

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


@dataclass
class Queue:
    """Slurm's queue, asked seldom however often somebody looks.

    Attributes:
        found: the jobs that wait or run, of those that were asked for; where Slurm does not answer, when it last did.
        problem: why Slurm could not be asked; empty where it answered.
    """

    found: Mapping[str, Queued] = field(default_factory=dict)
    problem: str = ""
    _ids: frozenset[str] = frozenset()
    _asked: float = 0.0

    def ask(self, ids: Collection[str]) -> None:
        """See which of some jobs wait or run."""
        now = time.monotonic()
        if not ids or (self._ids.issuperset(ids) and now - self._asked < ASK_SECONDS):
            return
        try:
            self.found, self.problem = client.queued(ids, LOOK_SECONDS), ""
        except InputError as error:
            self.problem = error.problems[0].message  # what was found before is the best that is known
        self._ids, self._asked = frozenset(ids), time.monotonic()  # one that is slow is not asked at once again


def submitted_jobs(
    run: Path,
    jobs: Mapping[str, Submitted],
    queue: Queue,
    stages: Sequence[StageRead],
    gpus: Mapping[str, int],
) -> list[SubmittedJob]:
    """What became of submitted jobs of a run that have no result yet.

    Args:
        run: the run's folder.
        jobs: by name, what was submitted of each.
        queue: which was asked for them.
        stages: of the run.
        gpus: by job, how many it asks for.
    """
    found = []
    for name, entry in jobs.items():
        log = str(run / FOLDER / entry.log)
        if job_in_queue := queue.found.get(entry.id):
            job = job_in_queue
            state, reason = job.state.lower(), why(job, entry.id, gpus.get(name, 0))
        elif queue.problem:
            state, reason, job = "unknown", "", Queued("")
        else:
            state, reason = _ended(entry, log, [one for one in stages if one.job == name])
            job = Queued("")
        found.append(SubmittedJob(name, entry.id, state, reason, job.node, job.left, log))
    return found


def _ended(entry: Submitted, log: str, stages: Sequence[StageRead]) -> tuple[str, str]:
    """What is said of a job that has left the queue without a result: its state, and why."""
    begun = [one for one in stages if one.record and one.record.attempts[-1].started_at >= entry.when]
    last = max(begun, key=lambda one: one.record.attempts[-1].started_at if one.record else "", default=None)
    kind = last.record.stage if last and last.record else ""
    match last.state if last else "":
        case "failed":
            return "failed", f"in {kind}: see {log}"
        case "interrupted":
            return "stopped", f"in {kind}, which was told to end: `run --on slurm` goes on from there; see {log}"
        case "stopped":
            return "killed", f"in {kind}, without a word: see {log}"
        case "running":  # somebody works on it who is no job of ours
            return "ended", "somebody else works on it now"
    if not Path(log).exists():
        return "ended", "before it began: it was cancelled, or its log could not be written"
    return "ended", f"without a result: see {log}"
