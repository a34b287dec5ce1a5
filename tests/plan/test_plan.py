"""Which stages of a job are yet to do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan.outputs import ConvertOutputs
from orchestrator.plan.record import read, write
from tests.plan.demo import demo_plan
from tests.stages import finish


def test_a_removed_training_is_wanted_only_by_what_is_not_done(data: Path, tmp_path: Path) -> None:
    plan = demo_plan(data, runs=tmp_path / "runs")
    (job,) = plan.jobs
    for stage in job.stages:
        finish(stage)
    assert job.done
    shutil.rmtree(job.stage("train").folder)
    shutil.rmtree(job.stage("convert").folder)
    assert job.todo() == []
    shutil.rmtree(job.stage("score").folder)
    assert [stage.kind for stage in job.todo()] == ["score"], "it reads the answers alone"
    shutil.rmtree(job.stage("infer").folder)
    # the new weights are others: what was chosen among the old ones is chosen again
    assert [stage.kind for stage in job.todo()] == ["convert", "train", "select", "infer", "score"]
    finish(job.stage("train"))
    assert [stage.kind for stage in job.todo()] == ["infer", "score"]
    finish(job.stage("score"))
    assert [stage.kind for stage in job.todo()] == ["infer", "score"], "it is the score of the old answers"


@pytest.mark.parametrize("other", [{"key": "0123456789ab"}, {"stage": "convert", "outputs": ConvertOutputs(rows={})}])
def test_what_is_said_of_another_stage_is_not_believed(data: Path, tmp_path: Path, other: dict[str, Any]) -> None:
    (job,) = demo_plan(data, runs=tmp_path / "runs").jobs
    train = job.stage("train")
    finish(train)
    assert train.done
    write(train.folder, finish(train).model_copy(update=other))  # somebody copied another folder to this place
    assert read(train.folder) is not None
    assert not train.done
