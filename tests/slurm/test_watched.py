"""What users see of their jobs, and end: status, logs, cancel."""

from __future__ import annotations

import json

import pytest

from tests.run.place import Place
from tests.running import answers, wait_until
from tests.slurm.cluster import GPUS, NODES
from tests.slurm.submitted import JOB_SECONDS, Submitted

pytestmark = pytest.mark.slurm


def test_cancel_leaves_no_process_and_what_is_done_stays(submitted: Submitted, calm: Place) -> None:
    submitted.submit(do="slow:train=1")
    wait_until(lambda: "4/10" in submitted.log("train"), JOB_SECONDS)
    assert submitted.processes()
    submitted.orchestrator("cancel", "echoed", "--yes", *submitted.runs())
    submitted.wait(60)
    wait_until(lambda: not submitted.processes(), 20)
    assert submitted.place.stage("train")["state"] == "interrupted"
    submitted.submit()
    submitted.wait()
    assert answers(submitted.place.folder, "demo") == answers(calm.folder, "demo"), submitted.said
    assert submitted.place.attempts()["demo/train"] == 2


def test_what_waits_says_what_for(submitted: Submitted) -> None:
    everything = (f"--nodes={len(NODES)}", f"--gres=gpu:{GPUS}", "--mem=100", "--output=/dev/null", "--partition=high")
    other = submitted.cluster.command("sbatch", "--parsable", *everything, "--wrap", "sleep 300").strip()
    wait_until(lambda: f"{other} RUNNING" in submitted.cluster.jobs(), 60)
    submitted.sets = ("resources.device=cuda",)
    submitted.submit()
    (number,) = submitted.ids().values()
    wait_until(lambda: "None" not in submitted.cluster.jobs("--jobs", number, form="%r"), 30)
    said = submitted.orchestrator("status", "echoed", *submitted.runs())
    submitted.cluster.command("scancel", other)
    assert number in said
    assert "1 GPU" in said
    submitted.wait()
    assert "demo" in submitted.place.rows(), submitted.said
    (state,) = json.loads(submitted.orchestrator("status", "echoed", "--json", *submitted.runs()))
    assert state


def test_logs_are_those_of_what_runs_then_of_the_job(submitted: Submitted) -> None:
    submitted.submit(do="slow:train=1")
    wait_until(lambda: "2/10" in submitted.log("train"), JOB_SECONDS)
    assert "{'loss': 1.0000}" in submitted.orchestrator("logs", "echoed", *submitted.runs())
    submitted.wait()
    assert "echoed demo/score: done" in submitted.orchestrator("logs", "echoed", *submitted.runs())
