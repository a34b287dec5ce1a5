"""Stages that fail: what is said, what is kept, and that the same command goes on."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.machine.processes import RUN_MARK, STAGE_MARK
from orchestrator.plan import record
from tests.run.place import Place
from tests.running import answers, arguments, call, records, stage_folder


def statuses(place: Place) -> dict[str, str]:
    (found,) = json.loads(call("status", "--json", "--runs-dir", place.folder / "runs")).values()
    stages = found["stages"]
    return {stage["stage"]: stage["state"] for stage in stages}


def test_a_job_that_fails_leaves_the_others_alone(place: Place, data: Path, calm: Place) -> None:
    place = Place(place.folder, data, tasks="demo, MELD")
    said = place.run(do="fail:train@demo=5", code=1)
    log = stage_folder(place.folder, "train", "demo") / "log.txt"
    assert "echoed demo/train: FAILED: ended with exit status 1; the end of its log:" in said
    assert "    | fails at 5 as asked\n" in said
    assert f"whole log: {log}\n" in said
    assert "failed: echoed demo/train (the reason is above; what is done stays done)" in said
    assert "fails at 5 as asked" in log.read_text()
    assert list(place.rows()) == ["MELD"]
    assert place.rows()["MELD"]["acc"] == calm.rows()["MELD"]["acc"]
    assert statuses(place)["demo/train"] == "failed"
    shown = call("status", "--runs-dir", place.folder / "runs")
    assert "step 4/10, loss 0.25" in shown
    state = place.stage("train")
    assert (state["state"], state["exit_code"]) == ("failed", 1)
    assert "fails at 5 as asked" in state["error"]

    log.unlink()  # a log is for people
    again = place.run()
    assert "8 of 12 stages are done already" in again
    assert "demo/train: goes on from checkpoint-3" in again
    assert place.stage("train")["outputs"]["resumed_from"] == "output/checkpoint-3"
    assert place.attempts() == calm.attempts() | {"demo/train": 2}
    assert answers(place.folder, "demo") == answers(calm.folder, "demo")
    assert list(place.rows()) == ["demo", "MELD", "overall"]


@pytest.mark.parametrize(
    ("do", "kind", "reason"),
    [
        ("lie:train", "train", "training ended with status 0, but:\n    - it wrote no trainer_state.json"),
        ("lie:train=8", "train", "training ended with status 0, but:\n    - it wrote no trainer_state.json"),
        ("lie:infer=5", "infer", "16 requests, but 4 answers to them"),
        ("fail:init", "init", "ended with exit status 1"),
        ("fail:infer=5", "infer", "| fails at 5 as asked"),
        ("error:infer", "infer", "ended with exit status 3"),
    ],
)
def test_what_a_stage_did_not_do_is_a_failure(place: Place, calm: Place, do: str, kind: str, reason: str) -> None:
    said = place.run(do=do, code=1)
    assert f"demo/{kind}: FAILED: " in said
    assert reason in said
    assert statuses(place)[f"demo/{kind}"] == "failed"
    assert not place.results.exists()
    place.run()
    assert place.attempts()[f"demo/{kind}"] == 2
    assert set(statuses(place).values()) == {"done"}
    assert answers(place.folder) == answers(calm.folder, "demo")


def test_every_request_failed_in_processes_that_had_one_each(place: Place) -> None:
    several = ("--limit", 2, "--set", "resources.inference_processes=2")
    said = place.run(*several, do="error:infer=1,error:infer=2", code=1)
    assert "demo/infer: FAILED: every request failed; the first error: as asked\n    whole log: " in said
    assert not place.results.exists()
    place.run(*several)
    assert len(answers(place.folder)) == place.rows()["demo"]["n"] == 2


def test_a_request_without_an_answer_is_told_and_counts_as_wrong(place: Place) -> None:
    said = place.run(do="error:infer=3")
    folder = stage_folder(place.folder, "infer")
    assert "16 answers, 1 of them errors; to ask these again: run --retry-errors" in said
    assert [record.get("error") for record in records(folder / "predictions.jsonl").values()].count("as asked") == 1
    assert (place.rows()["demo"]["n"], place.rows()["demo"]["error"]) == (16, 6.25)
    assert "everything is done already" in place.run()


def test_errors_are_asked_again_and_good_answers_are_kept(place: Place, calm: Place) -> None:
    place.run(do="error:infer=3,error:infer=9")
    journal = stage_folder(place.folder, "infer") / "predictions.jsonl"
    good = [line for line in journal.read_text().splitlines() if "error" not in line]
    said = place.run("--retry-errors", do="error:infer=9")
    assert "demo: what ended in an error is asked again: 2 requests" in said
    assert "demo/infer: goes on: 14 of 16 requests are answered" in said
    assert (place.rows()["demo"]["error"], place.attempts()["demo/train"]) == (6.25, 1)
    place.run("--retry-errors")
    assert journal.read_text().splitlines()[:14] == good
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
    assert "everything is done already" in place.run("--retry-errors")


def test_errors_are_not_asked_again_at_the_price_of_the_good_answers(place: Place) -> None:
    place.run(do="error:infer=3")
    journal = stage_folder(place.folder, "infer") / "predictions.jsonl"
    before = journal.read_bytes()
    shutil.rmtree(stage_folder(place.folder, "train"))
    said = place.run("--retry-errors")
    assert "demo/infer: its errors are not asked again, as the training is gone" in said
    assert "everything is done already" in said
    assert journal.read_bytes() == before
    shutil.rmtree(journal.parent)
    place.run("--retry-errors")
    assert place.rows()["demo"]["error"] == 0


def test_errors_on_dev_are_told_and_asked_again(place: Place, calm: Place) -> None:
    chosen = ("--set", "select.strategy=dev_accuracy")
    said = place.run(*chosen, do="error:infer=2")
    assert "demo/select: 4 answers on dev are errors and count as wrong; run --retry-errors asks these again" in said
    said = place.run(*chosen, "--retry-errors")
    assert "demo: what ended in an error is asked again: 5 requests" in said
    assert "errors and count as wrong" not in said


@pytest.mark.parametrize(("kind", "at"), [("train", 5), pytest.param("infer", 5, marks=pytest.mark.long)])
def test_a_stage_that_takes_too_long_is_ended(place: Place, calm: Place, kind: str, at: int) -> None:
    place.run(do=f"fail:{kind}={at}", code=1)  # what is before it may take as long as it wants
    said = place.run("--set", "resources.stage_timeout_hours=0.0003", do=f"hang:{kind}={at}", code=1)
    assert f"demo/{kind}: FAILED: took longer than 0.0003 hours" in said
    assert not place.running()
    place.run()
    assert answers(place.folder) == answers(calm.folder, "demo")


@pytest.mark.parametrize("kind", ["train", "infer"])
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(place: Place, calm: Place, kind: str) -> None:
    said = place.run(do=f"fill:{kind}=5", code=1)
    assert "what to do: the disk is full: free some space" in said
    place.run()
    assert answers(place.folder) == answers(calm.folder, "demo")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
@pytest.mark.parametrize(("do", "kind"), [("stuff:train=5", "train"), ("stuff:infer=5", "infer"), ("", "init")])
def test_a_disk_that_is_full_indeed(small_disk: Path, place: Place, calm: Place, do: str, kind: str) -> None:
    runs = small_disk / "runs"
    filler = small_disk / "filler"
    if not do:  # no room for the orchestrator itself: a lock it can make, but no stage
        (runs / "echoed").mkdir(parents=True)
        (runs / "echoed" / "lock").write_text("1\n")
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 12)):
                pass
    said = place.run("--runs-dir", runs, do=do, code=1)
    assert f"demo/{kind}: FAILED: " in said
    assert "the disk is full" in said
    for file in [filler, *runs.glob("*/*/*/stuff")]:
        file.unlink(missing_ok=True)
    place.run("--runs-dir", runs)
    (place.folder / "runs").symlink_to(runs)
    assert answers(place.folder) == answers(calm.folder, "demo")


def test_deepspeed_does_not_go_on_with_other_processes(place: Place, tmp_path: Path) -> None:
    settings = tmp_path / "zero.json"
    settings.write_text("{}")
    with_it = ("--set", f"train.deepspeed={settings}", "--set", "train.micro_batch_size=2")
    place.run(*with_it, "--set", "resources.processes=2", do="fail:train=5", code=1)
    said = place.run(*with_it, code=1)
    folder = stage_folder(place.folder, "train")
    assert "it was begun with 2 processes, and DeepSpeed goes on with as many only" in said
    assert f"set resources.processes=2, or begin anew: rm -r {folder}" in said
    place.run(*with_it, "--set", "resources.processes=2")
    assert place.stage("train")["outputs"]["resumed_from"] == "output/checkpoint-3"


LEFT = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path("ended").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
"""


def test_what_a_killed_run_left_running_is_ended_first(place: Place, calm: Place) -> None:
    place.run(do="fail:train=5", code=1)
    folder = stage_folder(place.folder, "train")
    # a process that no watchdog knows of, as after a kill of everything else
    env = os.environ | {STAGE_MARK: str(folder.resolve()), RUN_MARK: "an earlier one"}
    with subprocess.Popen([sys.executable, "-c", LEFT], env=env, cwd=folder, stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        left.stdout.readline()
        file = folder / "stage.json"
        file.write_text(file.read_text().replace('"state": "failed"', '"state": "running"'))
        place.run()
        assert left.wait(10) == 0
    first = folder / "output" / "checkpoint-6" / "model.bin"
    assert (folder / "ended").stat().st_mtime_ns < first.stat().st_mtime_ns, "two trainings in one folder"
    assert answers(place.folder) == answers(calm.folder, "demo")


def test_a_full_disk_when_all_else_is_done_is_a_failure_too(
    place: Place, calm: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = record.write_json

    def full(path: Path, state: dict[str, object]) -> None:
        if (state["stage"], state["state"]) == ("infer", "done"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, state)

    with monkeypatch.context() as patch:
        patch.setattr(record, "write_json", full)
        said = place.run(code=1)
    assert "demo/infer: FAILED: No space left on device" in said
    assert "what to do: the disk is full" in said
    assert place.stage("infer")["state"] == "running", "nothing says that it is done"
    place.run()
    assert answers(place.folder) == answers(calm.folder, "demo")


def test_a_results_folder_that_cannot_be_made_is_told_before_anything_runs(place: Place) -> None:
    (place.folder / "file").touch()
    said = call(*arguments(place.recipe, place.folder, "--results-dir", place.folder / "file" / "x"), code=2)
    assert "give another --results-dir" in said
    assert place.folders() == set()


@pytest.mark.parametrize("method", ["sft", pytest.param("zero_shot", marks=pytest.mark.long)])
@pytest.mark.parametrize("harm", ["empty", "same length", "gone"])
def test_a_damaged_model_from_scratch_is_made_again(data: Path, tmp_path: Path, method: str, harm: str) -> None:
    place = Place(tmp_path / "place", data, method)
    job = "demo" if method == "sft" else method
    place.run(do="fail:train" if method == "sft" else "fail:infer", code=1)
    model = stage_folder(place.folder, "init", job) / "model"
    whole = (model / "model.bin").read_bytes()
    if harm == "gone":
        shutil.rmtree(model)
    else:
        (model / "model.bin").write_bytes(b"" if harm == "empty" else bytes(len(whole)))
    assert "model/model.bin" in place.run()
    assert (model / "model.bin").read_bytes() == whole


def test_a_chosen_checkpoint_that_is_gone_is_told(place: Place) -> None:
    place.run(do="fail:infer", code=1)
    chosen = place.stage("select")["outputs"]["checkpoint"]
    shutil.rmtree(stage_folder(place.folder, "train") / "output" / chosen)
    said = place.run(code=1)
    assert f"there is no folder {chosen}" in said
    assert "train again: rm -r" in said
