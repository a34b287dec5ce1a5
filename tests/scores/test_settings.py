"""What a results row says of its settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.scores.settings import settings
from tests.recipes import shipped


def told(name: str, *overrides: str) -> dict[str, Any]:
    text = settings(shipped(name, *overrides))
    found: dict[str, Any] = json.loads(text)
    assert text == json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return found


def more(name: str, *overrides: str) -> dict[str, Any]:
    """What overrides add."""
    before = told(name)
    return {key: value for key, value in told(name, *overrides).items() if before.get(key) != value}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("train.learning_rate=3e-5", {"train.learning_rate": 3e-5}),
        ("train.lora.rank=64", {"train.lora.rank": 64}),
        ("seed=1", {"seed": 1}),
        ("train.extra.neftune_noise_alpha=5", {"train.extra.neftune_noise_alpha": 5}),
        ("prompt.system=你好", {"prompt.system": "你好"}),
        ("inference.precision=fp32", {"inference.precision": "fp32"}),
        ("model.attention=eager", {"model.attention": "eager"}),
        ("model.path=/models/mine", {"model.path": "mine"}),
        ("resources.env.PYTHONHASHSEED=1", {"resources.env.PYTHONHASHSEED": "1"}),
        # where things are, how fast they go, what they are called
        ("data.root=/elsewhere", {}),
        ("resources.processes=2", {}),
        ("resources.env.OMP_NUM_THREADS=2", {}),
        ("inference.batch_size=3", {}),
        ("train.eval_batch_size=3", {}),
        ("description=mine", {}),
        ("name=mine", {}),
        # written out as it is anyway
        ("seed=42", {}),
        ("inference.precision=bf16", {}),
    ],
)
def test_what_differs_from_the_defaults(change: str, expected: dict[str, Any]) -> None:
    assert more("qwen2_7b_sft", change) == expected


def test_of_a_model_in_the_catalogue_nothing_is_told() -> None:
    assert not [key for key in told("qwen2_7b_sft") if key.startswith("model.")]
    own = told("qwen2_7b_sft", "model={name: Own, path: me/own, toolkit: llamafactory, type: LLM, template: qwen}")
    assert {key: value for key, value in own.items() if key.startswith("model.")} == {
        "model.path": "me/own",
        "model.template": "qwen",
    }


def test_a_run_that_trains_nothing_has_no_settings_of_training() -> None:
    assert not [key for key in told("qwen2_7b_zero_shot") if key.startswith(("train", "select", "it"))]


def test_the_tasks_that_were_mixed() -> None:
    assert "tasks" not in told("qwen2_7b_it")
    assert told("qwen2_7b_it", "tasks=[MELD, MOSI]")["tasks"] == ["MELD", "MOSI"]
    assert "tasks" not in told("qwen2_7b_sft", "tasks=[MELD, MOSI]")


def test_a_task_of_its_own_settings(tmp_path: Path) -> None:
    recipe = shipped("qwen2_7b_sft", "train.per_task={MELD: {epochs: 10}}", f"data.root={tmp_path}")
    own = recipe.model_copy(update={"train": recipe.train_for("MELD")})
    assert json.loads(settings(own))["train.epochs"] == 10
