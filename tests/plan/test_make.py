"""Jobs and their stages; planning writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import recipes
from tests.plan.demo import demo_plan


def test_jobs_of_the_methods() -> None:
    sft = recipes.plan_of("qwen2_7b_sft")
    assert len(sft.jobs) == 12
    assert [stage.kind for stage in sft.jobs[0].stages] == ["convert", "train", "select", "infer", "score"]
    it = recipes.plan_of("qwen2_7b_it", merge=True)
    assert [job.name for job in it.jobs] == ["it"]
    assert len(it.jobs[0].tasks) == 12
    assert [stage.kind for stage in it.jobs[0].stages] == ["convert", "train", "select", "merge", "infer", "score"]
    zero = recipes.plan_of("qwen2_7b_zero_shot")
    assert [[stage.kind for stage in job.stages] for job in zero.jobs] == [["infer", "score"]]


def test_planning_writes_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    demo_plan(data)
    demo_plan(tmp_path / "nowhere")  # missing data is said when a run would need it
    assert sorted(tmp_path.rglob("*")) == before
