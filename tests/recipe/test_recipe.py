from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.prompts.examples import examples_of, system_of
from orchestrator.recipe import released
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.train import Train, batch_conflict
from orchestrator.scores import signature
from tests.released_data import QWEN, released_recipe, three_tasks
from tests.tables import plan_of_text

MODEL = {"name": "M", "path": "org/m", "toolkit": "llamafactory", "type": "LLM"}
PIRATE = "You are a pirate chatbot who always responds in pirate speak!"


def recipe(**values: object) -> Recipe:
    data = {"name": "r", "method": "sft", "model": MODEL, "tasks": ["MELD"]} | values
    return Recipe.model_validate_json(json.dumps(data), strict=True)


def test_defaults() -> None:
    made = recipe()
    assert made.train == Train()
    assert made.tasks == ("MELD",)
    assert made.seed == 42
    assert made.inference.temperature == 0
    assert (made.source, made.data.limit, made.resources.processes) == (None, None, 1)


def test_zero_shot_drops_the_training_that_a_base_file_holds_even_where_it_does_not_fit() -> None:
    assert recipe(method="zero_shot", train={"batch_size": 3, "micro_batch_size": 2}).train is None


@pytest.mark.parametrize(
    ("kind", "asked", "shown"),
    [("LLM", None, "text"), ("MLLM", None, "video"), ("MLLM", "text", "text"), ("MLLM", "video", "video")],
)
def test_modality(kind: str, asked: str | None, shown: str) -> None:
    assert recipe(model=MODEL | {"type": kind}, data={"modality": asked}).modality == shown


def test_an_llm_is_shown_no_video() -> None:
    with pytest.raises(ValidationError, match="`M` is an LLM: it reads no video"):
        recipe(data={"modality": "video"})


def test_data_root_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMLA_DATA_ROOT", "/mmla")
    assert recipe().data.root == "/mmla"
    monkeypatch.delenv("MMLA_DATA_ROOT")
    assert recipe().data.root == "data"


def test_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        recipe().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("batch", "micro", "processes", "hint"),
    [
        (16, 1, 3, "batch_size 15 or 18 would work"),
        (10, 4, 1, "batch_size 8 or 12 would work, or with 10 a micro_batch_size of 1, 2, 5, 10"),
        (1, 2, 2, "batch_size 4 would work"),
    ],
)
def test_batch_that_cannot_be_split(batch: int, micro: int, processes: int, hint: str) -> None:
    conflict = batch_conflict(batch, micro, processes)
    assert conflict is not None
    assert conflict[1] == hint
    with pytest.raises(ValidationError, match="cannot be split"):
        recipe(train={"batch_size": batch, "micro_batch_size": micro}, resources={"processes": processes})


@pytest.mark.parametrize(("batch", "micro", "processes"), [(16, 4, 2), (1, 1, 1), (6, 1, 3)])
def test_batch_that_can(batch: int, micro: int, processes: int) -> None:
    assert batch_conflict(batch, micro, processes) is None


def test_resolved_is_a_recipe_again_in_the_order_of_the_fields() -> None:
    made = recipe(seed=3, train={"extra": {"flash_attn": "sdpa"}})
    resolved = made.resolved()
    assert list(resolved)[:4] == ["name", "description", "method", "model"]
    assert "source" not in resolved
    assert Recipe.model_validate_json(json.dumps(resolved), strict=True) == made


def test_digest_depends_on_the_content_alone() -> None:
    made = recipe()
    assert re.fullmatch("[0-9a-f]{64}", made.digest)
    assert made.digest == recipe(seed=42).digest
    assert made.digest == made.model_copy(update={"source": "elsewhere.yaml"}).digest
    assert made.digest != recipe(seed=43).digest


def test_every_setting_is_described() -> None:
    for section in (Recipe, *(f.annotation for f in Recipe.model_fields.values()), Train):
        for name, field in getattr(section, "model_fields", {}).items():
            inner = field.annotation
            assert field.description or getattr(inner, "__doc__", None), f"{section}.{name}"


def test_leaks_are_a_matter_of_instruction_tuning(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiny.yaml:5:\d+: `it.exclude_leaks` is for method it"):
        plan_of_text(tmp_path, "method: sft\nmodel: tiny_qwen2\ntasks: [MELD]\nit: {exclude_leaks: true}\n", tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "training", "inference", "history", "decoding"),
    [
        ("llama_3_8b_sft", None, PIRATE, (), "t=0.6,p=0.9,max=256"),
        ("llama_3_1_8b_sft", None, None, (), "t=0.6,p=0.9,max=256"),
        ("qwen2_7b_sft", "You are a helpful assistant.", QWEN, (), "t=0.7,p=0.8,max=1024"),
        ("internlm2_5_7b_sft", None, None, (("hello", "Hello? How can I help you today?"),), "t=0.8,p=0.8,max=1024"),
        ("qwen2_vl_7b_sft", None, None, (), "greedy,max=128"),
    ],
)
def test_what_the_protocol_brings(
    name: str, training: str | None, inference: str | None, history: tuple[Any, ...], decoding: str
) -> None:
    recipe = released_recipe(name)
    assert (system_of(recipe, training=True), system_of(recipe)) == (training, inference)
    assert recipe.prompt.history == history
    assert signature.decoding(recipe) == decoding
    assert recipe.prompt.template == released.TEMPLATE
    assert recipe.inference.precision == ("bf16" if recipe.model.type == "MLLM" else "fp16")


def test_show_is_the_same_recipe_again(tmp_path: Path) -> None:
    for name in ("internlm2_5_7b_it", "qwen2_vl_7b_sft", "llama_3_8b_zero_shot"):
        first = released_recipe(name)
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(first.resolved(), allow_unicode=True))
        again = load_recipe(path)
        assert again.resolved() == first.resolved()
        assert again.digest == first.digest != released_recipe(name, protocol="mmla").digest


def test_a_value_of_ones_own_wins(data: Path) -> None:
    recipe = released_recipe(
        "qwen2_7b_sft", "inference.temperature=0", "prompt.system=Mine.", "inference.max_new_tokens=9"
    )
    assert signature.decoding(recipe) == "greedy,max=9"
    assert (system_of(recipe), system_of(recipe, training=True)) == ("Mine.", "Mine.")
    assert recipe.inference.precision == "fp16"
    recipe = released_recipe("internlm2_5_7b_sft", "prompt.history=[]", "prompt.train_system=Mine.")
    assert (recipe.prompt.history, system_of(recipe, training=True)) == ((), "Mine.")
    recipe = released_recipe("qwen2_vl_7b_sft", "video.training=null", "video.frames=8")
    assert (recipe.video.training, recipe.video.frames) == (None, 8)
    own = data.parent / "own.j2"
    own.write_text("{{ text }} / {{ task }}")
    recipe = released_recipe("qwen2_7b_sft", f"prompt.template={own}", f"data.root={data}", "tasks=[AnnoMi-therapist]")
    task = tasks()["AnnoMi-therapist"]
    assert next(examples_of(recipe, task, "train", training=True)).prompt.endswith(" / therapist_behaviour")
    assert next(examples_of(recipe, task, "test")).prompt.endswith(" / communication behavior")


def test_a_model_that_the_release_has_not(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    text = "method: sft\nprotocol: released\ntasks: [MELD]\n"
    path.write_text(f"{text}model: {{name: M, path: a/b, toolkit: llamafactory, template: gemma, type: LLM}}\n")
    recipe = load_recipe(path)
    assert (recipe.released is not None, signature.decoding(recipe)) == (True, "greedy,max=32")
    path.write_text(f"{text}model: {{name: M, path: a/b, toolkit: llamafactory, template: llava, type: MLLM}}\n")
    with pytest.raises(InputError, match="the release has no video protocol for the toolkit llamafactory") as caught:
        load_recipe(path)
    assert caught.value.problems[0].where == f"{path}:2:11"
