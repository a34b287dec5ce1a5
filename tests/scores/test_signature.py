"""What a score's signature tells apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.prompts.examples import samples_of
from orchestrator.scores import signature
from tests.released_data import released_recipe, three_tasks
from tests.tables import plan_of_text, table


def test_equal_signatures_are_equal_questions(tmp_path: Path) -> None:
    root = tmp_path / "data"
    table(root, "Demo", "test", ("a", "Is it?", "question"), ("b", "It is.", "statement"))
    (root / "Demo" / "video").mkdir()
    text = "method: zero_shot\nmodel: tiny_qwen2_vl\ntasks: [demo]\n"

    def signed(*overrides: str) -> str:
        plan = plan_of_text(tmp_path, text, root, *overrides)
        task = plan.jobs[0].tasks[0]
        utterances = signature.utterances_digest(samples_of(plan.recipe, task, "test"))
        return signature.signature(plan.recipe, task, utterances, 2)

    first = signed()
    assert "|frames:4x151200|" in first
    assert signed("inference.batch_size=1", "resources.env.NCCL_DEBUG=INFO") == first
    assert signed("video.max_pixels=1600") != first
    assert signed("resources.env.DECORD_NUM_THREADS=9") != first
    assert signed("data.columns={text: id}") != first
    labels = "inference.answers=labels"
    assert "|decoding:greedy,max=32|" in first
    assert "|decoding:labels,sum|" in signed(labels)
    assert "|decoding:labels,mean|" in signed(labels, "inference.label_score=mean")
    table(root, "Demo", "test", ("b", "It is.", "statement"), ("a", "Is it?", "question"))
    assert signed() == first, "the order of the rows is no matter"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


def test_signatures_tell_the_protocols_apart(data: Path) -> None:
    task = tasks()["MIntRec"]
    found = {
        (name, protocol): signature.prompt_digest(released_recipe(name, protocol=protocol), task)
        for name in ("qwen2_7b_zero_shot", "qwen2_vl_7b_zero_shot", "internlm2_5_7b_zero_shot", "llama_3_8b_zero_shot")
        for protocol in ("mmla", "released")
    }
    # of protocol mmla, all text models are asked alike
    assert len(set(found.values())) == 4 + 2
    recipe = released_recipe("qwen2_7b_zero_shot", f"data.root={data}", "tasks=[MIntRec]")
    same = released_recipe("qwen2_7b_zero_shot", f"data.root={data}", "tasks=[MIntRec]", protocol="mmla")
    assert signature.signature(recipe, task, "", 1) != signature.signature(same, task, "", 1)
