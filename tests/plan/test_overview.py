"""Several recipes in numbers, beside what the release's scripts do."""

from __future__ import annotations

import pytest

from orchestrator.plan.forecast import needs_of
from orchestrator.plan.known import Known
from orchestrator.plan.overview import PlanRow, row_of, total_of
from tests.recipes import plan_of


def row(name: str, *overrides: str) -> PlanRow:
    """A shipped recipe in numbers, where nothing was run before."""
    plan = plan_of(name, *overrides)
    return row_of(plan, needs_of(plan, Known({})))


@pytest.mark.parametrize(
    ("name", "jobs", "stages", "loads", "gpus", "released", "merged"),
    [
        ("qwen2_vl_72b_sft", 12, 60, 24, 8, 36, 12 * 0.144),
        ("qwen2_7b_it", 1, 5, 2, 1, 14, 0.014),
        ("qwen2_7b_zero_shot", 1, 2, 1, 1, 12, 0),
        ("llava_video_72b_it", 1, 5, 2, 8, 13, 0),
        ("llava_video_7b_it", 1, 5, 2, 8, None, None),  # the release instruction-tunes the large one only
        ("videollama2_7b_sft", 12, 60, 24, 8, 24, 0),
        ("minicpm_v_2_6_zero_shot", 1, 2, 1, 1, 12, 0),
        ("gpt_4o_zero_shot", 1, 2, 0, 0, None, None),
        ("demo", 1, 6, 2, 0, None, None),
        ("qwen2_5_vl_7b_it", 1, 5, 2, 1, None, None),  # no model of the benchmark, whose scripts train its like
    ],
)
def test_a_recipe_in_numbers(
    name: str, jobs: int, stages: int, loads: int, gpus: int, released: int | None, merged: float | None
) -> None:
    found = row(name)
    assert (found.jobs, found.stages, found.done, found.loads, found.gpus) == (jobs, stages, 0, loads, gpus)
    assert found.released_loads == released
    assert found.merged_tb == pytest.approx(merged)


def test_tasks_checkpoints_and_processes_count() -> None:
    assert row("qwen2_7b_sft", "tasks=[MELD, MOSI]").released_loads == 6
    assert row("qwen2_7b_sft", "tasks=[MELD]", "select.strategy=dev_accuracy").loads == 3
    assert row("qwen2_vl_72b_zero_shot", "resources.inference_processes=2").gpus == 8


def test_the_sum() -> None:
    total = total_of([row(name) for name in ("qwen2_7b_it", "qwen2_vl_72b_sft", "demo")])
    assert (total.recipe, total.jobs, total.stages, total.loads) == ("all", 14, 71, 28)
    assert (total.gpus, total.released_loads) == (8, 50)
    assert total.merged_tb == pytest.approx(0.014 + 12 * 0.144)


def test_the_sum_of_what_is_known() -> None:
    known = row("qwen2_7b_zero_shot", "resources.seconds_per_answer=3600", "tasks=[MELD]")
    unknown = row("qwen2_7b_it", "resources.seconds_per_answer=3600")
    assert (known.gpu_hours, unknown.gpu_hours) == (2610, None)
    total = total_of([known, unknown])
    assert total.gpu_hours == 2610
    assert total.disk_bytes == (known.disk_bytes or 0) + (unknown.disk_bytes or 0) > 0
    assert total_of([unknown]).gpu_hours is None
