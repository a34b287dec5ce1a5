"""The environment that programs are given."""

from __future__ import annotations

import pytest

from orchestrator.machine.environ import clean_environment


def test_the_users_settings_pass_and_foreign_pythons_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "300")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    env = clean_environment()
    assert env["UV_HTTP_TIMEOUT"] == "300"
    assert "PYTHONPATH" not in env
    # a runner imports what lies beside it, and logs are read as UTF-8
    assert "PYTHONSAFEPATH" not in env
    assert (env.get("PYTHONIOENCODING"), env["PYTHONUTF8"]) == (None, "1")


def test_what_launchers_say_reaches_no_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ("SLURM_PROCID", "SLURM_NTASKS", "SLURMD_NODENAME", "SBATCH_GPUS", "SRUN_CPUS_PER_TASK", "PMI_RANK",
            "PMI2_SIZE", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "PET_NNODES", "RANK")  # fmt: skip
    for name in said:
        monkeypatch.setenv(name, "3")
    monkeypatch.setenv("MY_SLURM", "kept")
    env = clean_environment()
    assert not {*said} & env.keys()
    assert env["MY_SLURM"] == "kept"
