"""A training that saves between its own checkpoints is started through the program that does so; no other is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.inside import between, start
from orchestrator.machine.slurm_job import JOB_VARIABLE
from orchestrator.plan.commands import train_command
from tests.released_data import released_plan, three_tasks


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


def argv(data: Path, *overrides: str) -> list[str]:
    plan = released_plan("qwen2_vl_7b_sft", data, "resources.device=cpu", *overrides)
    stage = next(stage for job in plan.jobs for stage in job.stages if stage.kind == "train")
    return list(train_command(plan, stage, "cpu").argv)


def test_only_where_it_is_asked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = argv(data)
    assert between.__file__ not in usual
    by_time = argv(data, "train.save_minutes=2.5")
    at = by_time.index(str(start.HERE)) + 1
    assert by_time[at : at + 2] == [between.__file__, "2.5"]
    assert [*by_time[:at], *by_time[at + 2 :]] == usual
    monkeypatch.setenv(JOB_VARIABLE, "5_2")
    assert argv(data)[at : at + 2] == [between.__file__, "0"], "at a stop alone"


def test_beneath_a_launcher(data: Path) -> None:
    words = argv(data, "train.save_minutes=2", "resources.processes=2", "train.deepspeed=zero2")
    at = words.index(str(start.HERE))
    assert words.index("torch.distributed.run") < at
    assert words[at + 1 : at + 3] == [between.__file__, "2"]
    assert words[at + 3].endswith("train.py")
