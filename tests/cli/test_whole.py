"""How long a whole run still takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.tally import Tally
from orchestrator.cli.whole import SHORT_SECONDS, Whole
from orchestrator.plan.plan import Plan, Stage
from orchestrator.toolkits.base import Progress
from tests.recipes import plan_of

ROWS = {"MELD": 9989, "MIntRec": 1334}  # of training, as published
TEST = {"MELD": 2610, "MIntRec": 445}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of("qwen2_7b_sft", "tasks=[MELD, MIntRec]", runs=tmp_path / "runs")


@pytest.fixture
def tally(plan: Plan) -> Tally:
    return Tally([plan], 0.0)


def stage_of(plan: Plan, job: str, kind: str) -> Stage:
    (found,) = [one.stage(kind) for one in plan.jobs if one.name == job]
    return found


def train(tally: Tally, stage: Stage, begun: float, seconds: float, until: float) -> None:
    """Let a training of 100 steps run that takes so long."""
    tally.begin(stage, "", begun)
    for step in range(101):
        if (now := begun + seconds * step / 100) <= until:
            tally.running[stage.folder].see(Progress(step, 100), now)


def test_rows_are_those_of_the_tasks(plan: Plan) -> None:
    assert [task.sizes["train"] for job in plan.jobs for task in job.tasks] == list(ROWS.values())
    assert [task.sizes["test"] for job in plan.jobs for task in job.tasks] == list(TEST.values())


def test_nothing_is_told_where_a_long_stage_is_of_no_known_length(plan: Plan, tally: Tally) -> None:
    whole = Whole(tally)
    assert whole.left(0.0) is None
    train(tally, stage_of(plan, "MELD", "train"), 0.0, 1000.0, 500.0)
    assert tally.running[stage_of(plan, "MELD", "train").folder].left == pytest.approx(500.0)
    assert whole.left(500.0) is None, "no inference has run yet"


def test_what_took_so_long_for_one_task_takes_so_long_for_another_by_its_rows(plan: Plan, tally: Tally) -> None:
    for kind, seconds in (("train", 998.9), ("infer", 261.0)):
        stage = stage_of(plan, "MELD", kind)
        tally.begin(stage, "", 0.0)
        tally.end(stage, seconds, well=True)
    train_left, infer_left = 133.4, 44.5
    # of each job convert, select and score are short; those of MELD need not wait for these of MIntRec
    assert Whole(tally).left(300.0) == pytest.approx(train_left + infer_left + 6 * SHORT_SECONDS)
    train(tally, stage_of(plan, "MIntRec", "train"), 300.0, 200.0, 350.0)
    assert Whole(tally).left(350.0) == pytest.approx(150 + infer_left + 6 * SHORT_SECONDS, abs=0.5), (
        "its own pace counts"
    )


def test_as_many_at_once_as_now(plan: Plan, tally: Tally) -> None:
    for job, seconds in (("MELD", 1000.0), ("MIntRec", 600.0)):
        stage = stage_of(plan, job, "infer")
        tally.begin(stage, "", 0.0)
        tally.end(stage, 10.0, well=True)
        train(tally, stage_of(plan, job, "train"), 0.0, seconds, 500.0)
    whole, short = Whole(tally), 3 * SHORT_SECONDS
    assert whole.left(500.0) == pytest.approx(500 + short), "the longest job"
    tally.end(stage_of(plan, "MELD", "train"), 500.0, well=True)
    assert 100 + short <= (whole.left(501.0) or 0) <= 101 + 2 * short


def test_a_job_that_failed_takes_no_time(plan: Plan, tally: Tally) -> None:
    for kind, seconds in (("train", 998.9), ("infer", 261.0)):
        stage = stage_of(plan, "MELD", kind)
        tally.begin(stage, "", 0.0)
        tally.end(stage, seconds, well=True)
    tally.end(stage_of(plan, "MIntRec", "convert"), 1000.0, well=False)
    assert Whole(tally).left(1000.0) == pytest.approx(3 * SHORT_SECONDS)
    for kind in ("convert", "select", "score"):
        tally.begin(stage_of(plan, "MELD", kind), "", 1000.0)
        tally.end(stage_of(plan, "MELD", kind), 1001.0, well=True)
    assert Whole(tally).left(1001.0) is None, "nothing is left"


def test_what_was_resumed_says_nothing_of_others(plan: Plan, tally: Tally) -> None:
    for job in ("MELD", "MIntRec"):
        stage = stage_of(plan, job, "infer")
        tally.begin(stage, "", 0.0)
        tally.end(stage, 10.0, well=True)
    stage = stage_of(plan, "MELD", "train")
    tally.begin(stage, "", 0.0)
    for step in range(80, 91):
        tally.running[stage.folder].see(Progress(step, 100), 10.0 * step - 800)
    assert Whole(tally).left(100.0) is None, "20 steps are not the length of the other training"
