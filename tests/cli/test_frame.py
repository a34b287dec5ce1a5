"""The lines of the live view, cut to terminals of every size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.frame import cut_middle, frame, waiting_texts
from orchestrator.cli.table import cells_of
from orchestrator.cli.tally import Tally
from orchestrator.plan.plan import Plan, Stage
from orchestrator.toolkits.base import Progress
from tests.recipes import plan_of

TASKS = ("MELD", "MIntRec", "IEMOCAP", "MUStARD")
LONG = "情感分析的大型语言模型-非常长的名字"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of("qwen2_7b_sft", f"tasks=[{', '.join(TASKS)}]", runs=tmp_path / "runs")


def stage_of(plan: Plan, job: str, kind: str) -> Stage:
    (found,) = [one.stage(kind) for one in plan.jobs if one.name == job]
    return found


@pytest.fixture
def tally(plan: Plan) -> Tally:
    """Two trainings, one of which has not said anything, and what waits."""
    tally = Tally([plan], 0.0)
    tally.begin(stage_of(plan, "MELD", "train"), "GPU 0,3", 10.0)
    tally.begin(stage_of(plan, "MIntRec", "train"), "GPU 1", 100.0)
    running = tally.running[stage_of(plan, "MELD", "train").folder]
    for step in range(31):
        running.see(Progress(step, 90, 0.51234), 20.0 + 2 * step)
    tally.waiting = ((stage_of(plan, "IEMOCAP", "train"), "for 8 GPUs, 6 are free"),)
    tally.end(stage_of(plan, "MUStARD", "convert"), 150.0, well=False)
    return tally


def texts(tally: Tally, width: int, height: int = 20, left: float | None = 300.0) -> list[str]:
    return [line for line, _ in frame(tally, left, width, height, 187.0)]


def test_every_stage_has_a_line(tally: Tally) -> None:
    assert texts(tally, 100) == [
        "MELD/train     GPU 0,3  step 30/90  loss 0.5123  2:57  0.5 steps/s  2 min left",
        "MIntRec/train  GPU 1                             1:27",
        "IEMOCAP/train waits for 8 GPUs, 6 are free",
        "qwen2_7b_sft: 0 of 20 stages done, 1 failed, 2 run, 1 wait, 3:07 so far, about 5 min left",
    ]


def test_what_has_no_room_is_left_out(tally: Tally) -> None:
    assert texts(tally, 70)[0] == "MELD/train     GPU 0,3  step 30/90  loss 0.5123  2:57  2 min left"
    assert texts(tally, 50)[0] == "MELD/train     step 30/90  2:57  2 min left"
    assert texts(tally, 40)[0] == "MELD/train     step 30/90  2:57"
    assert texts(tally, 20)[0] == "MELD/train     2:57"
    assert texts(tally, 79)[-1] == "qwen2_7b_sft: 0 of 20 stages done, 1 failed, 3:07 so far, about 5 min left"
    assert texts(tally, 60)[-1] == "qwen2_7b_sft: 0 of 20 stages done, 1 failed"


@pytest.mark.parametrize("height", [1, 2, 3, 4, 8, 50])
@pytest.mark.parametrize("width", [1, 2, 5, 12, 33, 59, 79, 200])
def test_no_line_is_too_long_and_there_are_never_too_many(plan: Plan, tally: Tally, width: int, height: int) -> None:
    other = replace(stage_of(plan, "MELD", "infer"), folder=Path("runs") / LONG / "MELD" / "infer-1")
    tally.plans = [plan, plan]
    tally.begin(other, "GPU 5", 0.0)
    for number in range(10):
        tally.begin(replace(other, folder=Path("runs") / LONG / str(number) / "infer-1"), "", 0.0)
    found = texts(tally, width, height)
    assert 1 <= len(found) <= height
    assert max(map(cells_of, found)) <= width
    assert len(found) == min(height, 13 + 1 + 1)


def test_of_too_many_some_are_counted(plan: Plan, tally: Tally) -> None:
    other = stage_of(plan, "MELD", "infer")
    for number in range(10):
        tally.begin(replace(other, folder=Path("runs") / "r" / str(number) / "infer-1"), "", 0.0)
    assert texts(tally, 60, 6)[3:] == [
        "and 9 more run",
        "IEMOCAP/train waits for 8 GPUs, 6 are free",
        "qwen2_7b_sft: 0 of 20 stages done, 1 failed",
    ]


def test_what_waits_for_the_same_is_one_line(plan: Plan) -> None:
    stages = [stage_of(plan, job, "train") for job in TASKS]
    busy = "for MUStARD, which process 12 on host a\nworks on since 12:01"
    waiting = [*((stage, "for 8 GPUs, 3 are free") for stage in stages[:3]), (stages[3], busy)]
    both = [
        "qwen2_7b_sft MELD/train and 2 more wait for 8 GPUs, 3 are free",
        "qwen2_7b_sft MUStARD/train waits for MUStARD, which process 12 on host a works on since 12:01",
    ]
    assert waiting_texts(waiting) == waiting_texts(waiting, 2) == both
    assert waiting_texts([*waiting, (stages[0], "x"), (stages[1], "y")]) == [*both, "and 2 more wait"]
    assert waiting_texts(waiting, 1) == ["4 wait"]
    assert waiting_texts([]) == []


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abcdef", 6, "abcdef"), ("abcdefg", 6, "ab…efg"), ("abcdefg", 2, "…g"), ("abcdefg", 1, "…"),
        ("情感分析", 8, "情感分析"), ("情感分析", 7, "情感…析"), ("情感分析", 6, "情…析"), ("情感分析", 2, "…"),
    ],
)  # fmt: skip
def test_long_names_are_cut_in_the_middle(text: str, width: int, cut: str) -> None:
    assert cut_middle(text, width) == cut
    assert cells_of(cut) <= width
