"""What a score's signature tells apart."""

from __future__ import annotations

from pathlib import Path

from orchestrator.scores.signature import signature
from tests.tables import plan_of, table


def test_equal_signatures_are_equal_questions(tmp_path: Path) -> None:
    root = tmp_path / "data"
    table(root, "Demo", "test", ("a", "Is it?", "question"), ("b", "It is.", "statement"))
    (root / "Demo" / "video").mkdir()
    text = "method: zero_shot\nmodel: tiny_qwen2_vl\ntasks: [demo]\n"

    def signed(*overrides: str) -> str:
        plan = plan_of(tmp_path, text, root, *overrides)
        return signature(plan.recipe, plan.jobs[0].tasks[0], 2)

    first = signed()
    assert "|frames:4x151200|" in first
    assert signed("inference.batch_size=1", "resources.env.NCCL_DEBUG=INFO") == first
    assert signed("video.max_pixels=1600") != first
    assert signed("resources.env.VIDEO_MIN_PIXELS=9") != first
    assert signed("data.columns={text: id}") != first
    table(root, "Demo", "test", ("b", "It is.", "statement"), ("a", "Is it?", "question"))
    assert signed() == first, "the order of the rows is no matter"
