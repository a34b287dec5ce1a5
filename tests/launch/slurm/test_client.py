"""What is asked of Slurm's commands, and what is made of what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.launch.slurm import client
from orchestrator.launch.slurm.client import Queued
from tests.fake_slurm import FakeSlurm, fake_slurm


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return fake_slurm(tmp_path / "slurm", monkeypatch)


def test_squeue_tells_what_waits_and_runs(slurm: FakeSlurm) -> None:
    slurm.queue(
        "7_0|RUNNING|None|2026-12-01T10:00:00|n1",
        "7_1|PENDING|JobArrayTaskLimit|N/A|",
        "7_2|FAILED|NonZeroExitCode|2026-12-01T10:00:00|n1",
        "7_3|PENDING|Resources|2026-12-01T12:00:00|",
    )
    assert client.queued(["7_0", "7_1", "7_2", "8"]) == {
        "7_0": Queued("RUNNING", "", "2026-12-01T10:00:00", "n1"),
        "7_1": Queued("PENDING", "JobArrayTaskLimit"),
    }


def test_what_slurm_has_forgotten_is_over(slurm: FakeSlurm) -> None:
    assert client.queued(["7_0"]) == {}
    assert client.queued([]) == {}


def test_sbatch_gives_a_number_and_sees_nothing_of_the_job_around(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.sh").write_text("#!/bin/bash\n#SBATCH --array=0-1\n")
    for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_NODE", "SQUEUE_STATES"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    assert client.submit(tmp_path / "x.sh") == "100"  # behind it stood the cluster's name
    assert slurm.environment == ["SLURM_CONF=/etc/slurm.conf", "SLURM_TIME_FORMAT=standard"]


@pytest.mark.parametrize("more", ["echo Thank you for computing", "echo; echo '12 jobs of yours run'"])
def test_a_site_s_sbatch_may_say_more(slurm: FakeSlurm, tmp_path: Path, more: str) -> None:
    (tmp_path / "x.sh").touch()
    sbatch = slurm.home / "bin" / "sbatch"
    sbatch.write_text(f"{sbatch.read_text()}\n{more}\n")
    assert client.submit(tmp_path / "x.sh") == "100"


def test_a_user_s_variables_do_not_win_over_what_a_script_asks_for(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.sh").write_text(
        "#!/bin/bash\n#SBATCH --partition=gpu\n#SBATCH --time=90\n#SBATCH --gpus-per-node=1\n"
    )
    sbatch = slurm.home / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace("^SLURM_", "^SBATCH_"))
    given = ("ACCOUNT", "PARTITION", "TIMELIMIT", "GPUS_PER_NODE", "WAIT", "CLUSTERS", "ARRAY_INX", "NO_REQUEUE")
    for name in given:
        monkeypatch.setenv(f"SBATCH_{name}", "other")
    client.submit(tmp_path / "x.sh")
    assert slurm.environment == ["SBATCH_ACCOUNT=other"], "for which the script does not ask"


def test_what_slurm_refuses_is_told_in_its_words(slurm: FakeSlurm, tmp_path: Path) -> None:
    (tmp_path / "x.sh").touch()
    slurm.refuse()
    with pytest.raises(InputError, match=r"sbatch fails: sbatch: error: Invalid partition name specified\n.*site file"):
        client.submit(tmp_path / "x.sh")


def test_the_size_of_arrays(slurm: FakeSlurm) -> None:
    slurm.arrays_of(101)
    assert client.most_of_array() == 101


def test_a_controller_that_does_not_answer(slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    (slurm.home / "bin" / "squeue").write_text("#!/bin/bash\nexec sleep 60\n")
    monkeypatch.setattr(client, "SECONDS", 0.2)
    with pytest.raises(InputError, match=r"squeue has not answered for 0 s\n.*scontrol ping"):
        client.queued(["7_0"])


def test_no_slurm_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not client.here()
    with pytest.raises(InputError, match=r"no `sbatch` on this machine.*\n.*`plan --on slurm` shows the scripts"):
        client.need()
    with pytest.raises(InputError, match="no `scancel` on this machine"):
        client.cancel(["7_0"])
