"""What Slurm says of an allocation."""

from __future__ import annotations

import pytest

from orchestrator.machine.allocation import Allocation, allocation

IN_ONE = {
    "SLURM_JOB_ID": "12345",
    "SLURM_JOB_NUM_NODES": "3",
    "SLURM_JOB_NODELIST": "n[1-3]",
    "SLURM_JOB_CPUS_PER_NODE": "16(x2),8",
    "SLURMD_NODENAME": "n1",
}


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*IN_ONE, "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(name, raising=False)


def test_outside_of_one() -> None:
    assert allocation() is None


@pytest.mark.parametrize(("change", "cpus"), [({}, 8), ({"SLURM_CPUS_PER_TASK": "4"}, 4)])
def test_the_cpus_of_a_node_are_those_asked_for_or_those_of_the_smallest(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], cpus: int
) -> None:
    for name, value in (IN_ONE | change).items():
        monkeypatch.setenv(name, value)
    assert allocation() == Allocation(12345, 3, "n[1-3]", cpus, "n1")


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "SLURM_JOB_NUM_NODES", "SLURM_JOB_NODELIST"])
def test_half_of_one_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other, value in IN_ONE.items():
        monkeypatch.setenv(other, value)
    monkeypatch.setenv(name, "")
    assert allocation() is None
