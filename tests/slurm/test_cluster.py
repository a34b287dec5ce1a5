"""The cluster that the other tests use: what they take for granted of it, and that it keeps no accounts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.running import wait_until
from tests.slurm.cluster import GPUS, NODES, Cluster

pytestmark = pytest.mark.slurm


def test_a_job_is_told_the_gpus_that_are_its_own(cluster: Cluster) -> None:
    seen = {cluster.command("srun", "-N1", "-w", node, f"--gres=gpu:{GPUS}", "printenv", "CUDA_VISIBLE_DEVICES")
            for node in NODES}  # fmt: skip
    assert seen == {"0,1,2,3,4,5,6,7\n"}


def test_there_are_no_accounts(cluster: Cluster) -> None:
    assert (
        "Slurm accounting storage is disabled"
        in subprocess.run(["sacct"], env=cluster.environment(), capture_output=True, text=True, timeout=20).stderr
    )


def test_a_job_that_is_put_back_begins_again_in_seconds(cluster: Cluster, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--parsable", "--requeue", "--open-mode=append", f"--output={out}", "--mem=100")
    job = cluster.command("sbatch", *options, "--wrap", "echo begins; sleep 60").strip()
    wait_until(lambda: out.exists() and out.read_text())
    cluster.command("scontrol", "requeue", job)
    wait_until(lambda: out.read_text().count("begins") == 2, 30)
    cluster.command("scancel", job)
