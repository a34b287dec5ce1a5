"""Runs that are stopped or killed, and two at once: nothing is left running, and the same command goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.run.place import Place
from tests.running import answers, call, stage_folder, wait_until

# a training stops behind its first checkpoint, an inference behind some answers
AT = {"train": 5, "infer": 8}


def goes_on(place: Place, calm: Place, kind: str) -> None:
    """The same command comes to the answers of a run that nobody disturbed, from where it was."""
    begun = stage_folder(place.folder, kind)
    journal = begun / "predictions.jsonl"
    before = journal.read_text().splitlines()[:7] if kind == "infer" else []
    where = "from checkpoint-3" if kind == "train" else ": 7 of 16 requests are answered"
    assert f"demo/{kind}: goes on {where}".replace(" :", ":") in place.run()
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert place.attempts() == {name: 1 + (name == f"demo/{kind}") for name in place.attempts()}
    assert set(place.rows()) == {"demo"}
    if kind == "train":
        assert place.stage("train")["outputs"] == {"steps": 10, "resumed_from": "output/checkpoint-3"}
        assert (begun / "log.txt").read_text().count("3/10 [") == 1, "no step before the checkpoint is done again"
    else:
        assert journal.read_text().splitlines()[:7] == before


def gone(place: Place) -> None:
    wait_until(lambda: not place.running())


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, "train"), (signal.SIGTERM, "infer"), (signal.SIGHUP, "train")]
)
def test_a_signal_stops_everything_and_the_same_command_goes_on(
    place: Place, calm: Place, number: signal.Signals, kind: str
) -> None:
    process = place.start_until(kind, do=f"hang:{kind}={AT[kind]}")
    assert place.running()
    process.send_signal(number)
    assert process.wait(30) == 130
    assert not place.running()
    said = f"stopped by {number.name}; nothing is left running, the same command goes on from here"
    assert said in place.said
    assert f"demo/{kind}: stopped; the same command goes on from here" in place.said
    state = place.stage(kind)
    assert state["state"] == "interrupted"
    assert state["attempts"][0]["seconds"] == state["seconds"] > 0
    goes_on(place, calm, kind)


def test_what_was_done_before_the_stop_has_its_results(place: Place, calm: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    process = place.start_until("train", do="hang:train@MELD")
    process.terminate()
    assert process.wait(30) == 130
    assert place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
    assert set(place.rows()) == {"demo"}


def test_under_nohup_a_run_outlives_its_terminal(place: Place, calm: Place) -> None:
    process = place.start_until("train", do="hang:train=5", ignored=(signal.SIGHUP,))
    process.send_signal(signal.SIGHUP)
    (toolkit,) = place.running()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)  # a signal that is obeyed is obeyed at once
    assert toolkit.is_running()
    assert place.stage("train")["state"] == "running"
    process.terminate()
    assert process.wait(30) == 130
    goes_on(place, calm, "train")


@pytest.mark.parametrize("kind", AT)
def test_kill_9_of_the_orchestrator(place: Place, calm: Place, kind: str) -> None:
    process = place.start_until(kind, do=f"hang:{kind}={AT[kind]}")
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    gone(place)
    assert place.stage(kind)["state"] == "running", "nobody could say otherwise"
    (found,) = json.loads(call("status", "--json", "--runs-dir", place.folder / "runs")).values()
    stages = found["stages"]
    assert stages[-1]["state"] == "stopped"
    assert stages[-1]["progress"] == ("step 4/10, loss 0.25" if kind == "train" else "sample 7/16")
    goes_on(place, calm, kind)
    assert place.stage(kind)["attempts"][0]["seconds"] is not None


@pytest.mark.parametrize("kind", AT)
def test_kill_9_of_the_toolkit(place: Place, calm: Place, kind: str) -> None:
    said = place.run(do=f"die:{kind}={AT[kind]}", code=1)
    assert f"demo/{kind}: FAILED: ended with signal SIGKILL" in said
    assert "what to do: it was killed from outside (SIGKILL)" in said
    assert not place.running()
    assert place.stage(kind)["exit_code"] == -signal.SIGKILL
    goes_on(place, calm, kind)


def test_kill_9_of_one_of_several_processes_and_on_with_another_number(place: Place, calm: Place) -> None:
    place.run("--set", "resources.inference_processes=3", do="die:infer=8", code=1)
    folder = stage_folder(place.folder, "infer")
    assert not place.running()
    place.run("--set", "resources.inference_processes=2")
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert not list(folder.glob("predictions.*.jsonl"))
    assert place.attempts()["demo/train"] == 1


def test_a_training_that_was_killed_behind_its_last_step_is_done(place: Place, calm: Place) -> None:
    place.run()
    file = stage_folder(place.folder, "train") / "stage.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"state": "running"}))
    for kind in ("select", "infer", "score"):
        shutil.rmtree(stage_folder(place.folder, kind))
    place.run()
    assert place.stage("train")["outputs"] == {"steps": 10, "resumed_from": "its last step"}
    assert answers(place.folder) == answers(calm.folder, "demo")


def test_two_runs_at_once_over_one_folder(place: Place, calm: Place, data: Path) -> None:
    process = place.start_until("train", do="hang:train=5")
    wait_until(lambda: place.stage("train")["attempts"][0].get("startup_seconds"))
    before = place.stage("train")
    said = place.run(code=2)
    assert f"demo: process {process.pid} on host " in said
    assert "give this one its own folder with --runs-dir" in said
    assert place.stage("train") == before
    assert process.poll() is None, "the first is left alone"
    assert "echoed: running" in call("status", "--runs-dir", place.folder / "runs")
    # another recipe has a folder of its own
    other = Place(place.folder / "other", data, "zero_shot")
    other.recipe.write_text(other.recipe.read_text().replace("name: echoed", "name: second"))
    said = call("run", other.recipe, "--runs-dir", place.folder / "runs", "--results-dir", other.folder)
    assert "second zero_shot/score: done" in said
    process.terminate()
    assert process.wait(30) == 130
    (place.folder / "runs" / "second").rename(other.folder / "second")
    goes_on(place, calm, "train")


@pytest.mark.parametrize(("grace", "resumed"), [(20, 4), pytest.param(0.2, 3, marks=pytest.mark.long)])
def test_a_checkpoint_that_is_being_written_has_its_grace(
    place: Place, calm: Place, grace: float, resumed: int
) -> None:
    where = ("--set", f"resources.stop_grace_seconds={grace}")
    process = place.start_until("train", *where, do="hang:train=5,linger:train=1.5")
    process.terminate()
    assert process.wait(30) == 130
    assert not place.running()
    waits = f"waiting up to {grace:g} s for train-"
    assert (waits in place.said) == (grace > 1)
    place.run()
    assert place.stage("train")["outputs"]["resumed_from"] == f"output/checkpoint-{resumed}"
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert place.attempts() == {name: 1 + (name == "demo/train") for name in place.attempts()}, "it is in no key"


def test_a_second_signal_waits_no_longer(place: Place) -> None:
    process = place.start_until("train", do="hang:train=5,linger:train=300")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "Ctrl-C ends it at once" in place.said)
    assert place.running()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not place.running()
    assert "nothing is left running" in place.said
    assert "Traceback" not in place.said


@pytest.mark.parametrize("grace", [20, pytest.param(0, marks=pytest.mark.long)])
def test_after_kill_9_of_the_orchestrator_there_is_the_same_grace(place: Place, grace: int) -> None:
    where = ("--set", f"resources.stop_grace_seconds={grace}")
    process = place.start_until("train", *where, do="hang:train=5,linger:train=1")
    process.kill()
    process.wait(30)
    gone(place)
    place.run()
    assert place.stage("train")["outputs"]["resumed_from"] == f"output/checkpoint-{4 if grace else 3}"


@pytest.mark.parametrize("name", ["model.bin", "optimizer.pt", "trainer_state.json"])
@pytest.mark.parametrize("left", [30, pytest.param(0, marks=pytest.mark.long)])
def test_a_checkpoint_that_a_power_cut_damaged(place: Place, calm: Place, name: str, left: int) -> None:
    place.start_until("train", do="hang:train=8").kill()
    gone(place)
    damaged = stage_folder(place.folder, "train") / "output" / "checkpoint-6" / name
    damaged.write_bytes(damaged.read_bytes()[:left])
    place.run()
    assert place.stage("train")["outputs"] == {"steps": 10, "resumed_from": "output/checkpoint-3"}
    assert answers(place.folder) == answers(calm.folder, "demo")
