"""What ``status`` shows of jobs that were submitted to Slurm."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import in_queue
from orchestrator.cli.in_queue import Queue
from orchestrator.launch.slurm.client import Queued
from orchestrator.launch.slurm.reasons import why
from orchestrator.launch.slurm.submitted import Submitted, submitting, write_submitted
from tests.cli.conftest import Clock
from tests.cli.slurm import Slurm, make_slurm
from tests.running import call

JOBS = ("demo", "MELD", "MOSI")
WHEN = "2026-01-01T10:00:00+00:00"
LATER, EARLIER = "2026-01-01T10:00:05+00:00", "2026-01-01T09:59:00+00:00"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    return make_slurm(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A run whose three jobs were submitted as an array."""
    folder = tmp_path / "runs" / "mine"
    with submitting(folder):
        write_submitted(
            folder, {job: Submitted(f"7_{n}", WHEN, "7.sh", f"7_{n}.log", "") for n, job in enumerate(JOBS)}
        )
    return folder


def stage(folder: Path, job: str, kind: str, state: str, at: str) -> None:
    path = folder / job / f"{kind}-0" / "stage.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"state": state, "job": job, "stage": kind, "attempts": [{"started_at": at}]}))


def state_of(folder: Path) -> dict[str, Any]:
    (found,) = json.loads(call("status", "--json", "--runs-dir", folder.parent)).values()
    return dict(found)


def jobs_of(folder: Path) -> dict[str, tuple[str, str]]:
    return {job["job"]: (job["state"], job["why"]) for job in state_of(folder)["submitted"]}


def test_what_waits_and_what_runs(mine: Path, slurm: Slurm) -> None:
    slurm.says(
        "7_0|RUNNING|None|2026-01-01T10:00:00|n1|1:02:03",
        "7_1|PENDING|Resources|N/A||2:00:00",
        "7_2|PENDING|BeginTime|2026-01-01T10:02:01||2:00:00",
        "9_1|RUNNING|None|2026-01-01T10:00:00|n1|1:02:03",
    )
    assert jobs_of(mine) == {
        "demo": ("running", ""),
        "MELD": ("pending", "waits for a free node (Resources)"),
        "MOSI": ("pending", "was requeued, or is to begin later: begins at 2026-01-01 10:02:01 (BeginTime)"),
    }
    said = call("status", "--runs-dir", mine.parent)
    assert said.startswith("mine: queued\n")
    assert [line.split() for line in said.splitlines() if line.startswith("demo")] == [
        ["demo", "7_0", "running", "n1", "1:02:03"]
    ]
    assert len(slurm.asked) == 2, "once each time"
    assert slurm.asked[0].endswith("--jobs=7")


def test_all_runs_are_asked_for_at_once(mine: Path, slurm: Slurm) -> None:
    other = mine.parent / "other"
    with submitting(other):
        write_submitted(other, {"demo": Submitted("8", WHEN, "8.sh", "8.log", "")})
    slurm.says("8|RUNNING|None||n2|1:00")
    found = json.loads(call("status", "--json", "--runs-dir", mine.parent))
    assert [job["state"] for job in found["other"]["submitted"]] == ["running"]
    assert [line.rpartition("--jobs=")[2] for line in slurm.asked] == ["7,8"]


@pytest.mark.parametrize(
    ("kind", "state", "at", "expected"),
    [
        ("train", "failed", LATER, ("failed", "in train: see {log}")),
        ("train", "interrupted", LATER,
         ("stopped", "in train, which was told to end: `run --on slurm` goes on from there; see {log}")),
        ("infer", "running", LATER, ("killed", "in infer, without a word: see {log}")),
        ("convert", "done", LATER, ("ended", "without a result: see {log}")),
        ("train", "failed", EARLIER, ("ended", "without a result: see {log}")),
    ],
)  # fmt: skip
def test_what_left_the_queue_without_a_result(
    mine: Path, slurm: Slurm, kind: str, state: str, at: str, expected: tuple[str, str]
) -> None:
    stage(mine, "demo", kind, state, at)
    log = mine / "slurm" / "7_0.log"
    log.parent.mkdir(exist_ok=True)
    log.touch()
    assert jobs_of(mine)["demo"] == (expected[0], expected[1].format(log=log))
    assert jobs_of(mine)["MELD"] == ("ended", "before it began: it was cancelled, or its log could not be written")
    assert state_of(mine)["running"] is False
    assert call("status", "--runs-dir", mine.parent).startswith("mine: not running\n")


def test_of_what_is_done_slurm_is_not_asked(mine: Path, slurm: Slurm) -> None:
    for job in JOBS:
        stage(mine, job, "score", "done", LATER)
    found = state_of(mine)
    assert (found["submitted"], found["jobs_done"], found["note"]) == ([], 3, "")
    assert slurm.asked == []


def test_where_there_is_no_slurm_the_disk_is_shown(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(mine))
    stage(mine, "demo", "train", "failed", LATER)
    found = state_of(mine)
    assert {job["state"] for job in found["submitted"]} == {"unknown"}
    assert found["note"].startswith("what Slurm does with its jobs is not known here: there is no `squeue`")
    assert [one["state"] for one in found["stages"]] == ["failed"]
    assert "note: what Slurm does with its jobs" in call("status", "--runs-dir", mine.parent)


def test_it_is_asked_seldom(slurm: Slurm, watch: Clock) -> None:
    queue = Queue()
    slurm.says("7_0|RUNNING|None||n1|1:00")
    for ids in ({"7_0", "7_1"}, {"7_1"}, set[str]()):
        queue.ask(ids)
    assert len(slurm.asked) == 1
    assert queue.found.keys() == {"7_0"}
    queue.ask({"8"})
    assert len(slurm.asked) == 2, "another job"
    watch.now += in_queue.ASK_SECONDS
    queue.ask({"8"})
    assert len(slurm.asked) == 3
    assert queue.found == {}


@pytest.mark.parametrize(
    ("reason", "gpus", "expected"),
    [
        ("Resources", 8, "waits for 8 GPUs (Resources)"),
        ("Resources", 1, "waits for 1 GPU (Resources)"),
        ("JobArrayTaskLimit", 8, "waits until fewer of its array run (slurm.array_limit) (JobArrayTaskLimit)"),
        ("Dependency", 8, "waits for another job to end (Dependency)"),
        ("DependencyNeverSatisfied", 8,
         "never begins: what it waits for did not end well. Cancel it (DependencyNeverSatisfied)"),
        ("QOSMaxJobsPerUserLimit", 8,
         "waits until you or your group use less: a limit of its QOS (QOSMaxJobsPerUserLimit)"),
        ("JobHeldUser", 8, "is held: scontrol release 7_1 (JobHeldUser)"),
        ("SomethingNew", 8, "waits (SomethingNew)"),
        ("", 8, ""),
    ],
)  # fmt: skip
def test_reasons_in_words(reason: str, gpus: int, expected: str) -> None:
    assert why(Queued("PENDING", reason), "7_1", gpus) == expected
    assert why(Queued("RUNNING", reason), "7_1", gpus) == ""


def test_watching_goes_on_while_jobs_wait(mine: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_queue, "ASK_SECONDS", 0.0)
    slurm.says("7_1|PENDING|Resources|N/A||2:00:00")
    squeue = slurm.folder / "squeue"
    squeue.write_text(squeue.read_text() + f"[ $(wc -l < {slurm.folder}/asked) -lt 3 ] || : > {slurm.folder}/queue\n")
    said = call("status", "--watch", "--every", "0.1", "--runs-dir", mine.parent)
    assert "mine: queued\n" in said
    assert "  MELD (Slurm job 7_1)  pending  waits for a free node (Resources)\n" in said
    assert "mine: not running\n" in said
    assert len(slurm.asked) == 4
    assert os.environ["PATH"].startswith(str(slurm.folder))


def test_a_controller_that_is_busy_for_a_moment_ends_no_watching(
    mine: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_queue, "ASK_SECONDS", 0.0)
    slurm.says("7_1|PENDING|Resources|N/A||2:00:00")
    squeue = slurm.folder / "squeue"
    count = f"$(wc -l < {slurm.folder}/asked)"
    squeue.write_text(
        f"{squeue.read_text()}[ {count} -ne 2 ] || {{ echo down >&2; exit 1; }}\n"
        f"[ {count} -lt 4 ] || : > {slurm.folder}/queue\n"
    )
    said = call("status", "--watch", "--every", "0.1", "--runs-dir", mine.parent)
    assert len(slurm.asked) == 5, "it ends when the queue is empty, not when nobody answers"
    assert "mine: not running\n" in said


def test_what_was_known_before_slurm_did_not_answer_is_still_shown(slurm: Slurm, watch: Clock) -> None:
    queue = Queue()
    slurm.says("7_0|RUNNING|None||n1|1:00")
    queue.ask({"7_0"})
    watch.now += in_queue.ASK_SECONDS
    (slurm.folder / "squeue").write_text("#!/bin/sh\necho down >&2\nexit 1\n")
    queue.ask({"7_0"})
    assert (queue.found.keys(), queue.problem) == ({"7_0"}, "squeue fails: down")


def test_a_controller_that_hangs_is_given_up_soon_and_asked_again_later(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_queue, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(in_queue, "ASK_SECONDS", 0.2)
    squeue = slurm.folder / "squeue"
    squeue.write_text(f"{squeue.read_text()}exec sleep 30\n")
    queue = Queue()
    for _ in range(2):
        queue.ask({"7_0"})
    assert queue.problem == "squeue has not answered for 0 s"
    assert len(slurm.asked) == 1, "the time that it took does not count"
