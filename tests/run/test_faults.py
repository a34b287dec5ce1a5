"""A fault of this program in one stage, and what is told of it."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from orchestrator.errors import InputError
from orchestrator.machine.gpu_locks import GpuLocks
from orchestrator.run import schedule
from orchestrator.run.faults import as_failure
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.work import WORK
from tests.run.place import Place


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("wrong"), "wrong"),
        (MemoryError(), "there is no memory left\n    what to do: give it more memory"),
        (RuntimeError("can't start new thread"), "can't start new thread\n    what to do: give it more memory"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "what to do: too many files are open: raise"),
        (KeyError("x"), "please report it with these lines and the command\n    | KeyError: 'x'"),
    ],
)
def test_it_is_told_with_what_to_do(error: Exception, told: str) -> None:
    assert told in str(as_failure(error))


def test_it_leaves_the_other_jobs_running(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    score = WORK["score"]

    def broken(context: Context, stage: Any) -> Any:
        return {}["a fault"] if stage.job == "demo" else score(context, stage)

    with monkeypatch.context() as patch:
        patch.setitem(WORK, "score", broken)  # type: ignore[arg-type]
        said = place.run("--jobs", 2, do="slow:train@MELD=0.05", code=1)
    assert "demo/score: FAILED: this is a fault of the program: please report it" in said
    assert "| KeyError: 'a fault'" in said
    assert set(place.rows()) == {"MELD"}
    assert "a fault of the program" in place.stage("score")["error"]
    place.run()
    assert set(place.rows()) == {"demo", "MELD", "overall"}


def test_what_breaks_before_the_work_begins_is_a_failure_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def perform(*_: object) -> NoReturn:
        raise SystemExit(5)

    monkeypatch.setattr(schedule, "perform", perform)
    assert "demo/init: FAILED: this is a fault of the program" in place.run(code=1)


def test_what_a_killed_process_left_is_ended_in_the_stage_s_own_thread(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[Path, bool]] = []
    take = schedule.take

    def unclean(folder: Path) -> Any:
        lease = take(folder)
        lease.unclean = True  # type: ignore[union-attr]
        return lease

    def end_left(folder: Path, *_: object) -> None:
        found.append((folder, threading.current_thread() is threading.main_thread()))

    monkeypatch.setattr(schedule, "take", unclean)
    monkeypatch.setattr(schedule, "end_left", end_left)
    place.run()
    assert set(found) == {(place.folder / "runs/echoed/demo", False)}


def test_a_thread_that_cannot_be_started_fails_its_job_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "demo/train":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        said = place.run(code=1)
    assert "demo/train: FAILED: can't start new thread\n    what to do: give it more memory" in said
    assert set(place.rows()) == {"MELD"}
    place.run()
    assert set(place.rows()) == {"demo", "MELD", "overall"}, "the job was given back"


def test_gpus_that_cannot_be_had_are_not_asked_for_without_a_pause(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def claim(_: object, names: Sequence[str]) -> bool:
        asked.append(time.monotonic())
        return not names or asked[-1] - asked[0] > 1

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(GpuLocks, "claim", claim)
    place.run("--set", "resources.device=cuda")
    assert set(place.rows()) == {"demo"}
    assert len(asked) < 30


def test_who_was_thought_dead_leaves_the_record_to_whoever_took_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = WORK["train"]

    def taken(context: Context, stage: Any) -> Any:
        outputs = train(context, stage)
        lock = stage.folder.parent / "lock"
        other = json.loads(lock.read_text()) | {"token": "another", "host": "elsewhere"}
        lock.unlink()
        lock.write_text(json.dumps(other))
        (stage.folder / "stage.json").write_text('{"its": "own"}')
        return outputs

    monkeypatch.setitem(WORK, "train", taken)  # type: ignore[arg-type]
    said = place.run(code=1)
    assert "demo/train: FAILED: another process took over demo: this one seemed to be dead" in said
    assert place.stage("train") == {"its": "own"}
    assert "elsewhere" in (place.folder / "runs/echoed/demo/lock").read_text()
