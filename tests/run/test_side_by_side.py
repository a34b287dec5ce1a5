"""Many stages at once: which GPUs each has, what a failure and a signal do, several processes at one work."""

from __future__ import annotations

import itertools
import json
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from orchestrator.plan.record import read
from orchestrator.scores.results import read_results
from tests.run.place import Place
from tests.running import answers, arguments, call, start, wait_until

GPUS = ("0", "GPU-6f1c", "MIG-2a", "3")  # as they are named is no matter of ours


class Use(NamedTuple):
    """When a stage had GPUs."""

    stage: str
    gpus: tuple[str, ...]
    begin: float
    end: float


def uses(folder: Path) -> Iterator[Use]:
    """Every time that a process saw GPUs, from the logs and records of the stages of a run."""
    for path in folder.glob("runs/*/*/*/log.txt"):
        record = read(path.parent)
        assert record
        seen = [gpu for gpus in re.findall(r"sees GPUs: (\S+)", path.read_text()) for gpu in gpus.split(",")]
        begin = datetime.fromisoformat(record.attempts[0].started_at).timestamp()
        if seen:
            yield Use(f"{record.job}/{record.stage}", tuple(seen), begin, begin + (record.attempts[0].seconds or 0))


def overlap(one: Use, other: Use) -> bool:
    return one.begin < other.end and other.begin < one.end


def on_gpus(place: Place, *changes: str) -> list[object]:
    sets = ("resources.device=cuda", *changes)
    return list(itertools.chain.from_iterable(("--set", change) for change in sets))


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(GPUS))


@pytest.mark.usefixtures("gpus")
def test_stages_run_side_by_side_each_on_its_own_gpus(place: Place) -> None:
    sweep = ["--sweep", "seed=1,2,3,4,5,6", "--sweep", "resources.processes=1"]
    place.run(*on_gpus(place), *sweep, do="slow:train=0.05,slow:infer=0.02")
    found = list(uses(place.folder))
    assert len(found) == 12, "six trainings, six inferences"
    assert {gpu for use in found for gpu in use.gpus} == set(GPUS), "all are used, and named as they were"
    pairs = [pair for pair in itertools.combinations(found, 2) if overlap(*pair)]
    assert len(pairs) >= 4, "they ran at once"
    for one, other in pairs:
        assert not set(one.gpus) & set(other.gpus), (one, other)


@pytest.mark.usefixtures("gpus")
def test_a_wide_training_has_its_gpus_and_its_answers_are_shared(place: Place) -> None:
    place.run(*on_gpus(place, "resources.processes=4", "train.micro_batch_size=1"))
    by_stage = {use.stage: sorted(use.gpus) for use in uses(place.folder)}
    assert by_stage == {"demo/train": sorted(GPUS), "demo/infer": sorted(GPUS)}
    assert len(list((place.folder / "runs/echoed/demo").glob("infer-*/config.*.json"))) == 4, "a process each"


def test_a_run_that_waits_for_another_one_s_gpus_is_seen_waiting(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    sweep = ["--sweep", "seed=1,2"]
    process = place.start_until("train", *on_gpus(place), *sweep, do="hang:train=4")
    runs = ("--runs-dir", place.folder / "runs")

    def states() -> list[str]:
        return [one["state"] for one in json.loads(call("status", "echoed", "--json", *runs)).values()]

    wait_until(lambda: states() == ["running", "waiting"])  # when the second is converted
    said = call("status", "echoed-seed_2", *runs)
    assert said.startswith("echoed-seed_2: waiting\n0 of 1 jobs are done\n")
    assert f"process {process.pid} on host" in said
    assert "waits for its turn" in said
    assert "waiting" in call("ls", "runs", *runs)
    process.kill()
    process.wait()
    assert states() == ["not running", "not running"]
    place.run(*on_gpus(place), *sweep)
    assert not list(place.folder.rglob(".at-work.*"))


def test_side_by_side_gives_what_one_after_another_gives(place: Place, calm: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    said = place.run("--jobs", 2, do="slow:train=0.05")
    began = {name: place.stage("train", name)["attempts"][0]["started_at"] for name in ("demo", "MELD")}
    ended = {name: place.stage("train", name)["ended_at"] for name in began}
    assert max(began.values()) < min(ended.values()), "both trained at once"
    assert "[12/12]" in said
    for job in ("demo", "MELD"):
        assert answers(place.folder, job) == answers(calm.folder, job)
    mine, theirs = place.rows(), calm.rows()
    assert {name: row["acc"] for name, row in mine.items()} == {name: row["acc"] for name, row in theirs.items()}


def test_one_that_fails_leaves_the_others_running(place: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    said = place.run("--jobs", 2, do="fail:train@demo=1,slow:train@MELD=0.1", code=1)
    assert "failed: echoed demo/train (the reason is above; what is done stays done)" in said
    assert set(place.rows()) == {"MELD"}


def test_a_signal_ends_all_that_runs_and_the_same_command_goes_on(place: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    process = start(place.recipe, place.folder, "--jobs", 2, program="tests.echo", do="hang:train=4")
    place.started.append(process)
    wait_until(lambda: place.said or len(place.running()) == 2)
    wait_until(
        lambda: len([log for log in place.folder.glob("runs/*/*/train-*/log.txt") if "hangs" in log.read_text()]) == 2
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not place.running()
    for job in ("demo", "MELD"):
        assert f"{job}/train: stopped; the same command goes on from here" in place.said
        assert place.stage("train", job)["state"] == "interrupted"
    said = place.run()
    assert said.count("goes on from checkpoint-3") == 2
    assert len(place.rows()) == 3


def both(place: Place, *more: object) -> tuple[object, object]:
    """Two processes on one recipe, the first of which hangs in the training of the first job."""
    first = place.start_until("train", *more, do="hang:train@demo=5")
    second = start(place.recipe, place.folder, *more, program="tests.echo")
    place.started.append(second)
    wait_until(lambda: "MELD/score: done" in place.said)
    return first, second


def test_two_processes_share_the_jobs_of_a_recipe_and_one_takes_over_from_the_other(place: Place, calm: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    first, second = both(place)
    waits = "nothing is left but what other processes work on, whose end is waited for: demo: process"
    wait_until(lambda: f"{waits} {first.pid} on host" in place.said)  # type: ignore[attr-defined]
    assert second.poll() is None  # type: ignore[attr-defined]
    first.kill()  # type: ignore[attr-defined]
    assert second.wait(60) == 0, place.said  # type: ignore[attr-defined]
    assert "demo/train: goes on from checkpoint-3" in place.said
    for job in ("demo", "MELD"):
        assert answers(place.folder, job) == answers(calm.folder, job)
    assert {row["task"]: row["acc"] for row in read_results(place.results)} == {
        name: row["acc"] for name, row in calm.rows().items()
    }
    assert len(list(place.results.parent.glob("*.csv"))) == 1


def test_on_the_same_job_the_second_says_who_has_it(place: Place) -> None:
    process = place.start_until("train", do="hang:train=5")
    said = place.run(code=2)
    assert re.search(
        rf"demo: process {process.pid} on host \S+ since \d\d:\d\d works on this job\n    wait for it", said
    )
    assert "demo/train" in call("status", "--runs-dir", place.folder / "runs")


def test_twelve_processes_at_twelve_jobs_leave_one_table(place: Place, calm: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    runs = [start(place.recipe, place.folder, program="tests.echo") for _ in range(4)]
    place.started += runs
    assert [run.wait(120) for run in runs].count(0) >= 1, place.said
    assert {name: row["acc"] for name, row in place.rows().items()} == {
        name: row["acc"] for name, row in calm.rows().items()
    }
    assert set(place.attempts().values()) == {1}, "nothing was done twice"
    assert arguments(place.recipe, place.folder)
