"""What a plan asks of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.plan import preflight
from tests.stages import finish
from tests.tables import plan_of_text, table


def test_no_gpu_for_a_large_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    root = tmp_path / "data"
    table(root, "Demo", "test", ("a", "Is it?", "question"))

    def said(model: str, *overrides: str) -> list[str]:
        text = f"method: zero_shot\nmodel: {model}\ntasks: [demo]\n"
        return [p.message for p in preflight.problems_of(plan_of_text(tmp_path, text, root, *overrides))]

    auto = "resources.device=auto"
    large = "Qwen2-7B needs 1 GPU, 0 can be seen here"
    assert said("qwen2_7b", auto) == [large]
    assert said("qwen2_7b") == said("qwen2_0_5b", auto) == said("tiny_qwen2", auto) == []
    own = "{name: mine, path: some/id, toolkit: llamafactory, type: LLM, template: qwen}"
    assert said(own, auto) == [], "who knows how large"
    # looking at a recipe is not running it
    text = "method: zero_shot\nmodel: qwen2_7b\ntasks: [demo]\n"
    plan = plan_of_text(tmp_path, text, root, auto)
    assert preflight.problems_of(plan, everything=True) == []
    # nor is scoring what another machine has answered
    finish(plan.jobs[0].stage("infer"))
    assert preflight.problems_of(plan) == []
