"""What a hosted model's answers are likely to cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.inside.spent import SPENT, Ledger, Tokens
from orchestrator.plan.bill import Bill, bill_of
from orchestrator.plan.commands import PREDICTIONS
from orchestrator.plan.plan import Plan
from tests.recipes import plan_of, write_rows
from tests.running import call
from tests.shared import RECIPES

ROWS = 50
PRICED = "model.prices={input: 2, output: 10}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_rows(
        tmp_path / "data" / "Demo" / "test.tsv", [(f"r{n}", f"{n}.mp4", "I say so.", "question") for n in range(ROWS)]
    )
    return tmp_path / "data"


def hosted(data: Path, *overrides: str) -> Plan:
    return plan_of("gpt_4o_zero_shot", f"data.root={data}", "tasks=[demo]", *overrides, runs=data.parent / "runs")


def bill(plan: Plan) -> Bill:
    job = plan.jobs[0]
    found = bill_of(job, job.stage("infer"), {})
    assert found is not None
    return found


def test_frames_are_counted_by_tiles(data: Path) -> None:
    # 151,200 pixels in 16:9 are 518 x 291: two tiles
    found = bill(hosted(data, "inference.max_new_tokens=20", PRICED))
    assert (found.requests, found.frame_tokens, found.answer_tokens) == (ROWS, ROWS * 4 * (85 + 2 * 170), ROWS * 20)
    text = found.prompt_tokens - (found.frame_tokens or 0)
    assert 20 * ROWS < text < 200 * ROWS
    assert found.cost == pytest.approx((found.prompt_tokens * 2 + found.answer_tokens * 10) / 1e6)
    small = bill(hosted(data, "video.max_pixels=100000", "video.frames=3", "model.prices.tile_tokens=1000"))
    assert small.frame_tokens == ROWS * 3 * 1085
    assert bill(hosted(data, "data.modality=text")).frame_tokens == 0


def test_a_limit_counts_and_no_prices_no_cost(data: Path) -> None:
    whole, few = bill(hosted(data)), bill(hosted(data, "data.limit=10"))
    assert few.requests == 10
    assert few.prompt_tokens == pytest.approx(whole.prompt_tokens / 5, abs=2)
    assert bill(hosted(data, "model.prices=null")).cost is None


def test_what_was_answered_is_left_out_and_tells_more(data: Path) -> None:
    plan = hosted(data, PRICED)
    folder = plan.jobs[0].stage("infer").folder
    folder.mkdir(parents=True)
    ledger = Ledger(folder / SPENT)
    for number in range(25):
        ledger.over(ledger.sent(f"demo/r{number}", Tokens(5000, 32)), Tokens(1200, 4))
    (folder / PREDICTIONS).write_text("".join(json.dumps({"id": f"demo/r{n}", "text": "x"}) + "\n" for n in range(25)))
    assert bill(plan) == Bill(25, 25 * 1200, None, 25 * 4, pytest.approx((25 * 1200 * 2 + 25 * 4 * 10) / 1e6))


def test_models_here_cost_nothing(data: Path) -> None:
    job = plan_of("demo", f"data.root={data}").jobs[0]
    assert bill_of(job, job.stage("infer"), {}) is None


def test_plan_tells_it(data: Path) -> None:
    options = ("--runs-dir", data.parent / "runs", "--set", f"data.root={data}", "--set", "tasks=[demo]")
    said = call("plan", RECIPES / "gpt_4o_zero_shot.yaml", *options)
    assert "50 requests, about " in said
    assert "tokens of prompts (85,000 of" in said
    assert "What is left takes about 0.24 USD for hosted models, and " in said
    (plan,) = json.loads(call("plan", RECIPES / "gpt_4o_zero_shot.yaml", "--json", *options))
    assert plan["jobs"][0]["stages"][0]["bill"]["frame_tokens"] == 85_000
