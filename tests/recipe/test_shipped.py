"""The recipes of the project: one per model and method, with the hyper-parameters of the benchmark's release."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from orchestrator.benchmark.model import ModelSpec, models
from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.plan.make import make_plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from tests.recipes import shipped
from tests.shared import MMLA, RECIPES, needs_mmla

MODELS = {name: entry for name, entry in models().items() if entry.benchmark == "mmla"}
# newer ones, of which nothing is published: neither made from scratch nor for a first comparison on a CPU
NEWER = {name: entry for name, entry in models().items()
         if entry.path and not entry.benchmark and not name.startswith("smollm2")}  # fmt: skip
# a hosted model can only be asked
METHODS = {name: ("zero_shot", "sft", "it") if entry.gpus else ("zero_shot",) for name, entry in MODELS.items()}
# how the release's tables spell the catalogue's names
SPELLED = {"Llama3-8B": "Llama-3-8B", "Llama3.1-8B": "Llama-3.1-8B", "Llama3.2-1B": "Llama-3.2-1B",
           "Llama3.2-3B": "Llama-3.2-3B"}  # fmt: skip

TOOLKITS = {"LLaMA-Factory": "llamafactory", "LLaVA-NeXT": "llava_next", "ms-swift": "swift",
            "VideoLLaMA2": "videollama2"}  # fmt: skip
DEEPSPEED = {"none": None, "ds_z3_offload_config.json": "zero3_offload", "zero3_offload.json": "zero3_offload",
             "zero2.json": "zero2", "zero2": "zero2"}  # fmt: skip

NEAREST = {
    "qwen3_4b_2507": "qwen2_7b", "qwen3_0_6b": "qwen2_0_5b", "qwen3_8b": "qwen2_7b", "gemma_3_1b": "qwen2_1_5b",
    "phi_4_mini": "qwen2_7b", "glm_4_9b": "qwen2_7b", "llama_3_3_70b": "llama_3_1_8b", "qwen2_5_vl_72b": "qwen2_vl_72b",
    **dict.fromkeys(("qwen2_5_vl_3b", "qwen2_5_vl_7b", "qwen3_vl_4b", "qwen3_vl_8b", "qwen3_5_4b", "qwen3_5_9b",
                     "internvl3_8b", "internvl3_5_8b", "qwen2_5_omni_3b", "qwen2_5_omni_7b",
                     "qwen2_audio_7b"), "qwen2_vl_7b"),
}  # fmt: skip
# what of `train` is otherwise, and why stands in the recipe
OTHERWISE = {
    "llama_3_3_70b": {"batch_size", "micro_batch_size", "deepspeed"},
    **{
        model: {"max_length", "deepspeed"}
        for model in ("internvl3_8b", "internvl3_5_8b", "qwen2_5_omni_3b", "qwen2_5_omni_7b", "qwen2_audio_7b")
    },
}


@pytest.mark.parametrize(("model", "method"), [(model, method) for model in MODELS for method in METHODS[model]])
def test_every_model_and_method_has_a_recipe(model: str, method: str) -> None:
    recipe = shipped(f"{model}_{method}")
    assert (recipe.method, recipe.model.name) == (method, MODELS[model].name)
    assert recipe.tasks == tuple(benchmark_tasks("mmla"))
    assert (recipe.train is None) == (method == "zero_shot")
    frames = 8 if recipe.model.toolkit == "videollama2" else 4
    assert (recipe.seed, recipe.inference.temperature, recipe.video.frames) == (42, 0, frames)
    assert recipe.resources.processes == 1 or recipe.train is not None  # else the results would count its GPUs


def test_there_are_49_of_the_benchmark() -> None:
    assert sum(map(len, METHODS.values())) == 49
    others = [*RECIPES.glob("tiny_*.yaml"), *RECIPES.glob("smollm2_*.yaml"), RECIPES / "demo.yaml"]
    assert len(list(RECIPES.glob("*.yaml"))) == 49 + 3 * len(NEWER) + len(others)


@pytest.mark.parametrize("model", NEWER)
def test_newer_models_are_trained_as_the_nearest_published_one(model: str) -> None:
    near = NEAREST[model]
    for method in ("zero_shot", "sft", "it"):
        recipe, published = shipped(f"{model}_{method}"), shipped(f"{near}_{method}")
        assert (recipe.model, recipe.model.type) == (ModelSpec(**NEWER[model].spec()), published.model.type)
        assert (recipe.method, recipe.tasks) == (published.method, tuple(benchmark_tasks("mmla")))
        assert (recipe.video, recipe.inference, recipe.select) == (
            published.video, published.inference, published.select)  # fmt: skip
        if recipe.train and published.train:
            changed = {key for key, value in recipe.train if value != getattr(published.train, key)}
            assert changed <= OTHERWISE.get(model, {"deepspeed"} if recipe.model.type == "MLLM" else set())
            assert recipe.model.gpus == 1 or (recipe.resources.processes == 8 and recipe.train.deepspeed)


def test_internvl_has_room_for_its_frames() -> None:
    for model in ("internvl3_8b", "internvl3_5_8b"):
        recipe = shipped(f"{model}_sft")
        assert recipe.training.max_length >= 256 * recipe.video.frames + 1024  # as much for words as the others have


def test_all_recipes_together_are_planned() -> None:
    plans = [make_plan(load_recipe(path), Path("runs")) for path in sorted(RECIPES.glob("*.yaml"))]
    assert len({plan.recipe.name for plan in plans}) == len(plans) == 55 + 3 * len(NEWER)
    for plan in plans:
        assert len(plan.jobs) == (len(plan.recipe.tasks) if plan.recipe.method == "sft" else 1)


def test_no_recipe_is_refused_by_its_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    for path in sorted(RECIPES.glob("*.yaml")):
        plan = make_plan(load_recipe(path), Path("runs"))
        # a compiler is this machine's matter
        found = [text for part in plan.parts for text in part.problems(plan.recipe) if "is missing" not in text]
        assert found == [], path.name


def test_tables_have_a_row_for_each_of_the_tasks() -> None:
    for path in RECIPES.glob("*_sft.yaml"):
        train = load_recipe(path).train
        assert train is not None
        assert not train.per_task or set(train.per_task) == set(benchmark_tasks("mmla")), path


@needs_mmla
def test_hyper_parameters_are_the_released_ones() -> None:
    keys = {entry.name: key for key, entry in MODELS.items()}
    with (MMLA / "hparams.csv").open() as file:
        rows = list(csv.DictReader(file))
    recipes: dict[tuple[str, str], Recipe] = {}
    checked = 0
    for row in rows:
        # Qwen2-VL-72B `it` has no values: the release's file is an export's
        model, method = keys.get(SPELLED.get(row["model"], row["model"])), row["method"].lower()
        if model is None or not row["learning_rate"] or row["grad_accum"] == "0.0001":  # a shifted row
            continue
        recipe = recipes.setdefault((model, method), shipped(f"{model}_{method}"))
        train = recipe.train_for(None if row["dataset"] == "ALL" else row["dataset"])
        where = f"{model} {method} {row['dataset']}"
        gpus, micro = int(row["gpus"]), int(row["per_device_batch"])
        assert train.learning_rate == float(row["learning_rate"]), where
        assert train.epochs == float(row["epochs"]), where
        assert (recipe.resources.processes, train.micro_batch_size) == (gpus, micro), where
        assert train.batch_size == micro * int(row["grad_accum"]) * gpus == int(row["effective_batch"]), where
        assert train.lora.rank == int(row["lora_r"].split()[0]), where
        assert train.lora.alpha == int(row["lora_alpha"].split()[0]), where
        assert train.lora.target == "all", where
        length = int(row["max_length"])
        if row["framework"].startswith("LLaVA-NeXT") and length == 1024:
            length = 2048  # four frames are 800 tokens and more: 1024 would leave no room for the prompt
        assert train.max_length == length, where
        assert train.warmup_ratio == float(row["warmup_ratio"].split()[0]), where
        assert train.weight_decay == float(row["weight_decay"].removeprefix("swift default ").split()[0]), where
        scheduler = row["lr_scheduler"].removeprefix("swift default ")
        assert (train.scheduler, train.precision) == (scheduler, re.split(r"[+, ]", row["precision"])[0]), where
        assert train.deepspeed == DEEPSPEED[row["deepspeed"]], where
        if row["train_frames"].isdigit():
            assert recipe.video.frames == int(row["train_frames"]), where
        toolkit = TOOLKITS[row["framework"].split()[0]]
        assert (recipe.model.type, recipe.model.toolkit) == (row["type"], toolkit), where
        if toolkit in ("llamafactory", "llava_next"):
            assert row["framework"].endswith(f" {recipe.model.template}"), where
        checked += 1
    assert checked == 8 * 13 + 2 * 12 + 1 + (4 * 12 - 1 + 1) + 13 + 12
