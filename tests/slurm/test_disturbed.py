"""Jobs that Slurm puts back into the queue, for whatever reason: they go on, and answer as undisturbed ones do."""

from __future__ import annotations

import re

import pytest

from tests.run.place import Place
from tests.running import answers, wait_until
from tests.slurm.cluster import GPUS, NODES
from tests.slurm.submitted import JOB_SECONDS, Submitted

pytestmark = pytest.mark.slurm


def steps(submitted: Submitted) -> int:
    """Steps of training so far."""
    return len(re.findall(r"'loss'", submitted.log("train")))


def answered(submitted: Submitted) -> int:
    found = [*submitted.place.folder.glob("runs/*/demo/infer-*/predictions.jsonl")]
    return len(found[0].read_text().splitlines()) if found else 0


def assert_as_undisturbed(submitted: Submitted, calm: Place) -> None:
    """Every request is answered once, with what an undisturbed training knows; the table says so."""
    assert answers(submitted.place.folder, "demo") == answers(calm.folder, "demo"), submitted.said
    assert submitted.place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
    assert submitted.place.rows()["demo"]["error"] == 0


def test_put_back_in_training(submitted: Submitted, calm: Place) -> None:
    submitted.submit(do="slow:train=0.5")
    wait_until(lambda: steps(submitted) >= 4, JOB_SECONDS)
    submitted.cluster.command("scontrol", "requeue", *submitted.ids().values())
    submitted.wait()
    assert_as_undisturbed(submitted, calm)
    assert submitted.place.attempts() == calm_attempts() | {"demo/train": 2}
    assert submitted.place.stage("train")["outputs"]["resumed_from"].endswith(("checkpoint-3", "checkpoint-6"))
    assert not submitted.processes()


def test_put_back_in_inference(submitted: Submitted, calm: Place) -> None:
    submitted.submit(do="slow:infer=0.5")
    wait_until(lambda: answered(submitted) >= 4, JOB_SECONDS)
    submitted.cluster.command("scontrol", "requeue", *submitted.ids().values())
    submitted.wait()
    assert_as_undisturbed(submitted, calm)
    assert submitted.place.attempts() == calm_attempts() | {"demo/infer": 2}


def test_a_job_that_takes_longer_than_its_time_limit_goes_on_after_it(submitted: Submitted, calm: Place) -> None:
    submitted.site, submitted.sets = {"time": "1"}, ("train.save_steps=1", "resources.stop_grace_seconds=5")
    submitted.submit(do="slow:train=6.5")  # ten steps: 65 seconds
    submitted.wait(280)
    assert_as_undisturbed(submitted, calm)
    assert submitted.place.attempts()["demo/train"] >= 2
    assert "DUE TO TIME LIMIT" not in submitted.said, "it ends by itself before it is ended"


def test_a_job_that_a_better_partition_displaces_goes_on_when_there_is_room(submitted: Submitted, calm: Place) -> None:
    submitted.sets = ("resources.device=cuda",)
    submitted.submit(do="slow:train=1")
    wait_until(lambda: steps(submitted) >= 4, JOB_SECONDS)
    everything = ("--partition=high", f"--nodes={len(NODES)}", f"--gres=gpu:{GPUS}", "--mem=100", "--output=/dev/null")
    other = submitted.cluster.command("sbatch", "--parsable", *everything, "--wrap", "sleep 5").strip()
    wait_until(lambda: f"{other} RUNNING" in submitted.cluster.jobs(), 60)
    assert submitted.states() == {"PENDING"}
    submitted.wait()
    assert_as_undisturbed(submitted, calm)
    assert submitted.place.attempts() == calm_attempts() | {"demo/train": 2}
    assert "sees GPUs: 0\n" in submitted.log("train")


def calm_attempts() -> dict[str, int]:
    return {f"demo/{kind}": 1 for kind in ("init", "convert", "train", "select", "infer", "score")}
