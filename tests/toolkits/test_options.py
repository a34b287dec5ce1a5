"""`train.extra`: what of a toolkit's own options a recipe may set, against the toolkits' own argument classes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import options
from orchestrator.toolkits.base import Trainer
from orchestrator.toolkits.deepspeed import configuration_problems
from orchestrator.toolkits.registry import trainer
from orchestrator.toolkits.settings import SCHEDULERS
from tests.toolkits.inside import HERE, argv_of

TOOLKITS = ("llamafactory", "llava_next", "swift", "videollama2")
FOLDER = Path(options.__file__).parent
TEMPLATES = {"llamafactory": "qwen2_vl", "llava_next": "qwen_1_5", "swift": "qwen2_vl", "videollama2": None}


def recipe(toolkit: str, extra: dict[str, Any], **more: Any) -> Recipe:
    model: dict[str, Any] = {"name": "m", "path": "some/id", "toolkit": toolkit, "type": "MLLM"}
    if template := TEMPLATES[toolkit]:
        model["template"] = template
    if toolkit == "videollama2":
        model["parts"] = {"llm": "a/b", "vision_tower": "a/clip", "projector": "a/c"}
    train = {"max_length": 4096, "extra": extra} | more.pop("train", {})
    content = {"name": "r", "method": "sft", "tasks": ["demo"], "select": {"strategy": "last"}, "train": train}
    return Recipe.model_validate(content | {"model": model | more.pop("model", {})} | more)


def problems(toolkit: str, extra: dict[str, Any], **more: Any) -> list[str]:
    part: Trainer = trainer(toolkit)
    said = part.problems(recipe(toolkit, extra, **more))
    return [text for text in said if text.startswith(("train.", "model."))]


# what would run code, send what was trained, start from other weights, read other rows or write elsewhere
GUARDED = {
    "llamafactory": [
        "trust_remote_code",
        "push_to_hub",
        "hub_model_id",
        "hub_private_repo",
        "adapter_name_or_path",
        "adapter_folder",
        "resume_from_checkpoint",
        "tokenized_path",
        "val_size",
        "streaming",
        "ref_model",
        "reward_model",
        "media_dir",
        "cache_dir",
        "export_hub_model_id",
        "profiler_output_dir",
        "model_name_or_path",
        "dataset_dir",
        "report_to",
        "trackio_space_id",
        "deepspeed",
        "master_addr",
        "ray_init_kwargs",
        "fsdp_config",
        "accelerator_config",
        "eval_dataset",
        "output_dir",
        "max_samples",
        "train_from_scratch",
    ],
    "swift": [
        "external_plugins",
        "custom_register_path",
        "custom_dataset_info",
        "local_repo_path",
        "push_to_hub",
        "hub_model_id",
        "adapters",
        "resume_from_checkpoint",
        "resume_only_model",
        "load_args",
        "streaming",
        "cached_dataset",
        "callbacks",
        "val_dataset",
        "split_dataset_ratio",
        "swanlab_smtp_server",
        "create_checkpoint_symlink",
        "use_hf",
        "check_model",
        "model",
        "dataset",
        "columns",
        "logging_dir",
        "deepspeed",
        "truncation_strategy",
    ],
    "llava_next": [
        "push_to_hub",
        "hub_model_id",
        "resume_from_checkpoint",
        "lora_weight_path",
        "pretrain_mm_mlp_adapter",
        "vision_tower_pretrained",
        "mm_qformer_pretrained",
        "cache_dir",
        "data_path",
        "image_folder",
        "early_mix_text",
        "mm_tunable_parts",
        "unfreeze_language_model",
        "deepspeed",
        "logging_dir",
        "overwrite_output_dir",
    ],
    "videollama2": [
        "push_to_hub",
        "hub_model_id",
        "resume_from_checkpoint",
        "lora_weight_path",
        "pretrain_mm_mlp_adapter",
        "cache_dir",
        "data_path",
        "data_folder",
        "model_path",
        "deepspeed",
        "logging_dir",
        "version",
        "bits",
    ],
}


@pytest.mark.parametrize(("toolkit", "name"), [(toolkit, name) for toolkit in TOOLKITS for name in GUARDED[toolkit]])
@pytest.mark.parametrize("value", [True, "True", "yes", 1, None])
def test_what_a_recipe_guards_cannot_be_turned_on(toolkit: str, name: str, value: object) -> None:
    (problem,) = problems(toolkit, {name: value})
    assert problem.startswith(f"train.extra.{name}: ")
    assert len(problem) > len(f"train.extra.{name}: ") + 10, "it says why"


@pytest.mark.parametrize("toolkit", TOOLKITS)
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("push-to-hub", "push_to_hub"),
        ("--push_to_hub", "push_to_hub"),
        ("no_push_to_hub", "push_to_hub"),
        ("Push_To_Hub", "push_to_hub"),
        ("push_to_hub=true", "push_to_hub"),
        ("resume_from", "resume_from_checkpoint"),
        ("hub_model", "hub_model_id"),
        ("output-dir", "output_dir"),
        ("push_to_hub ", "push_to_hub"),
    ],
)
def test_other_spellings_are_known_for_what_they_are(toolkit: str, name: str, meant: str) -> None:
    (problem,) = problems(toolkit, {name: True})
    assert f"train.extra.{name}" in problem
    assert (
        "push_to_hub" in problem if name == "push_to_hub=true" else f"write `{meant}`, as the toolkit calls" in problem
    )


@pytest.mark.parametrize("toolkit", TOOLKITS)
def test_what_nobody_knows_is_refused(toolkit: str) -> None:
    assert problems(toolkit, {"config": "x.yaml"})[0].startswith("train.extra.config: ")
    (problem,) = problems(toolkit, {"zzz": 1})
    assert problem == "train.extra.zzz: the toolkit has no such option"
    (problem,) = problems(toolkit, {"neftune_noise_alfa": 5})
    assert problem == "train.extra.neftune_noise_alfa: did you mean `neftune_noise_alpha`?"


@pytest.mark.parametrize("toolkit", TOOLKITS)
@pytest.mark.parametrize(
    "value",
    ["--push_to_hub", " --push_to_hub", "-x", ["5", "--push_to_hub", "true"], {"a": {"b": ["--x"]}}, {"--x": 1}],
)
def test_a_value_is_no_other_option(toolkit: str, value: object) -> None:
    (problem,) = problems(toolkit, {"optim_args": value})
    assert problem == "train.extra.optim_args: a value that begins with a dash would be read as another option"


@pytest.mark.parametrize("toolkit", TOOLKITS)
def test_values_that_are_values(toolkit: str) -> None:
    extra = {"neftune_noise_alpha": "-1.5", "optim": "adamw_torch", "lr_scheduler_kwargs": {"num_cycles": -1}}
    assert problems(toolkit, extra | {"dataloader_num_workers": 2, "gradient_checkpointing": False}) == []
    assert problems(toolkit, {"optim_args": "${oc.env:HF_TOKEN}"})[0].endswith("would be filled in from elsewhere")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"train": {"scheduler": "--push_to_hub"}}, "train.scheduler: a value that begins with a dash"),
        ({"train": {"lora": {"target": "q_proj,--push_to_hub,true"}}}, "train.lora.target: a value that begins"),
        ({"model": {"revision": "--external_plugins"}}, "model.revision: a value that begins"),
        ({"model": {"path": "--external_plugins"}}, "model.path: a value that begins"),
    ],
)
def test_other_keys_put_no_options_on_a_command_line(more: dict[str, Any], said: str) -> None:
    assert any(text.startswith(said) for text in problems("swift", {}, **more))


@pytest.mark.parametrize("toolkit", TOOLKITS)
@pytest.mark.parametrize(
    ("scheduler", "extra", "said"),
    [
        ("constant_with_warmup", {}, []),
        ("cosin", {}, ["there is no schedule `cosin`; did you mean `cosine`?"]),
        ("x", {}, [f"there is no schedule `x`; known: {', '.join(SCHEDULERS)}"]),
        ("cosine_with_min_lr", {"lr_scheduler_kwargs": {"min_lr": 0}}, []),
        (
            "cosine_with_min_lr",
            {},
            ["`cosine_with_min_lr` needs numbers: add train.extra: {lr_scheduler_kwargs: {...}}"],
        ),
    ],
)
def test_the_schedule_has_a_name_that_trainers_know(
    toolkit: str, scheduler: str, extra: dict[str, Any], said: list[str]
) -> None:
    assert problems(toolkit, extra, train={"scheduler": scheduler}) == [f"train.scheduler: {text}" for text in said]


def test_full_fine_tuning_may_choose_its_parts() -> None:
    chosen = {"mm_tunable_parts": "mm_language_model"}
    assert problems("llava_next", chosen, train={"finetuning": "full"}) == []
    (problem,) = problems("llava_next", chosen)
    assert "with LoRA it would train all base weights" in problem


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"wandb": {"enabled": True}}, "`wandb` is not for a recipe's configuration"),
        ({"tensorboard": {"output_path": "/x"}}, "`tensorboard` is not for"),
        ({"csv_monitor": {}}, "`csv_monitor` is not for"),
        ({"autotuning": {"enabled": True}}, "`autotuning` is not for"),
        ({"flops_profiler": {"output_file": "x"}}, "`flops_profiler` is not for"),
        ({"zero_optimization": {"offload_param": {"nvme_path": "/home"}}}, "`nvme_path` names a file"),
    ],
)
def test_a_configuration_of_deepspeed_says_numbers(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert next(configuration_problems(config)).startswith(said)
    (tmp_path / "mine.json").write_text(json.dumps(config))
    found = problems("llamafactory", {}, train={"deepspeed": f"{tmp_path}/mine.json"})
    assert any(text.startswith(f"train.deepspeed: {said}") for text in found)


@pytest.mark.parametrize("toolkit", TOOLKITS)
def test_shipped_configurations_say_nothing_else(toolkit: str) -> None:
    files = sorted(Environment.load(toolkit).folder.glob("deepspeed/*.json"))
    assert files
    assert {file.name: [*configuration_problems(json.loads(file.read_text()))] for file in files} == {
        file.name: [] for file in files
    }


def lists(file: Path) -> list[list[str]]:
    held = options.load(file, options.OptionsFile, "its options")
    return [[*held.allowed], [*held.owned], [name for one in held.refused for name in one.options]]


@pytest.mark.parametrize("toolkit", ["", *TOOLKITS])
def test_an_option_stands_in_one_list(toolkit: str) -> None:
    names = [name for group in lists(FOLDER / toolkit / "options.yaml") for name in group]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.toolkit
@pytest.mark.parametrize("toolkit", TOOLKITS)
def test_every_option_of_the_toolkit_is_owned_refused_or_allowed(toolkit: str, request: pytest.FixtureRequest) -> None:
    environment: Environment = request.getfixturevalue(f"{toolkit}_env")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    argv = argv_of(environment.python, HERE / "inside_options.py", toolkit)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FIELDS ")]
    real = set(json.loads(line.partition(" ")[2]))
    assert len(real) > 100
    known = set(options.verdicts_of(FOLDER / toolkit))
    assert sorted(real - known) == [], "new options: see what they do, then put them into options.yaml"
    own = {name for group in lists(FOLDER / toolkit / "options.yaml") for name in group}
    assert sorted(own - real) == [], "the toolkit has these no more"
