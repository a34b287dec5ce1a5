"""What is asked, and what training is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.prompts.examples import examples_of, request_lines
from tests.released_data import MM, SAYS, released_recipe, three_tasks


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


def test_requests_and_training_data(data: Path) -> None:
    recipe = released_recipe("internlm2_5_7b_sft", f"data.root={data}")
    task = tasks()["Ch-sims"]
    first = json.loads(next(request_lines(recipe, [task], "test")))
    assert first == {
        "id": "Ch-sims/Ch-sims_test_0",
        "task": "Ch-sims",
        "prompt": f"{SAYS} I neutral, “you” 说.. {MM} sentiment of this speaker?\nThe candidate labels for sentiment "
        "are: [positive, negative].Respond in the format: 'sentiment: [label]'.  Only one label should be provided.",
        "video": None,
        "system": None,
        "history": [["hello", "Hello? How can I help you today?"]],
    }
    assert "history" not in json.loads(
        next(request_lines(released_recipe("qwen2_7b_sft", f"data.root={data}"), [task], "test"))
    )
    example = next(examples_of(recipe, task, "train", training=True))
    assert example.prompt.startswith("The speaker says: I neutral, “you” 说. Based on the text, what is the")
    assert (example.answer, example.system) == ("sentiment: Neutral", None)
