"""`model.thinking` without a toolkit: spellings, what is refused and why, what it changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.data.demo import write_demo_data
from orchestrator.errors import InputError
from orchestrator.plan.commands import infer_commands
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.plan.preflight import problems_of
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.schema import recipe_schema
from orchestrator.scores.signature import decoding
from orchestrator.toolkits.base import Command, TrainInputs
from orchestrator.toolkits.registry import engine, trainer
from tests.recipes import shipped
from tests.running import call

QWEN3 = "name: Qwen3-8B, path: Qwen/Qwen3-8B, type: LLM, params_b: 8"


def recipe(folder: Path, toolkit: str, template: str, *more: str, method: str = "sft", model: str = QWEN3) -> Recipe:
    file = folder / "r.yaml"
    head = f"method: {method}\ntasks: [demo]\ndata: {{root: {folder}}}\n"
    file.write_text(f"{head}model: {{{model}, toolkit: {toolkit}, template: {template}}}\n")
    return load_recipe(file, [*more])


@pytest.mark.parametrize(
    ("written", "read"),
    [("on", "on"), ("off", "off"), ("true", "on"), ("false", "off"), ("On", "on"), ("OFF", "off"), ("yes", "on"),
     ("no", "off"), ("'on'", "on"), ('"off"', "off"), ("True", "on")],
)  # fmt: skip
def test_spellings_of_yaml(tmp_path: Path, written: str, read: str) -> None:
    assert recipe(tmp_path, "llamafactory", f"qwen3, thinking: {written}").model.thinking == read
    plain = written.strip("'\"")
    assert recipe(tmp_path, "llamafactory", "qwen3", f"model.thinking={plain}").model.thinking == read


@pytest.mark.parametrize("written", ["maybe", "1", "[on]", "null", "''"])
def test_other_values_are_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(InputError, match=r"model\.thinking"):
        recipe(tmp_path, "llamafactory", f"qwen3, thinking: {written}")


def test_editors_know_all_spellings() -> None:
    rule = recipe_schema(Path("none"))["$defs"]["ModelSpec"]["properties"]["thinking"]
    assert (rule["enum"], rule["default"]) == (["off", "on", False, True], "off")


def test_labels_are_not_compared_within_a_thought(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a thought has no end yet"):
        recipe(tmp_path, "llamafactory", "qwen3, thinking: on", "inference.answers=labels")


def test_what_is_shown_is_read_again(tmp_path: Path) -> None:
    """In YAML of any version, too."""
    recipe(tmp_path, "llamafactory", "qwen3")
    shown = call("show", tmp_path / "r.yaml", "--set", "model.thinking=on")
    assert yaml.safe_load(shown)["model"]["thinking"] == "on"
    (tmp_path / "again.yaml").write_text(shown)
    assert load_recipe(tmp_path / "again.yaml").model.thinking == "on"


def test_room_to_think(tmp_path: Path) -> None:
    off = recipe(tmp_path, "llamafactory", "qwen3", method="zero_shot")
    on = recipe(tmp_path, "llamafactory", "qwen3", "model.thinking=on", method="zero_shot")
    more = recipe(tmp_path, "llamafactory", "qwen3", "model.thinking=on", "inference.max_thinking_tokens=7")
    assert [one.thinking_tokens for one in (off, on, more)] == [0, 1024, 7]
    assert [decoding(one) for one in (off, on)] == ["greedy,max=32", "greedy,max=32,thinking=1024"]
    with pytest.raises(InputError, match="max_thinking_tokens` is for models that think"):
        recipe(tmp_path, "llamafactory", "qwen3", "inference.max_thinking_tokens=7")


def problems(one: Recipe) -> list[str]:
    parts: list[Any] = [engine(one.model.toolkit), *([trainer(one.model.toolkit)] if one.train else [])]
    return [text for part in parts for text in part.problems(one) if "thinking" in text or "template" in text]


@pytest.mark.parametrize(
    ("toolkit", "template", "thinking", "said"),
    [
        ("llamafactory", "qwen3", "on", ""),
        ("llamafactory", "qwen3_nothink", "off", ""),
        ("llamafactory", "qwen3_nothink", "on", "`qwen3_nothink` has no place for thoughts"),
        ("swift", "qwen3/qwen3", "on", ""),
        ("swift", "qwen3_vl", "on", ""),
        # of a type with templates of both kinds swift picks one by the model's name
        ("swift", "qwen3", "off", ""),
        ("swift", "qwen3", "on", "type `qwen3` not all think: write qwen3/deepseek_r1 or qwen3/qwen3 or "),
        ("swift", "qwen2", "on", "type `qwen2` not all think: write qwen2/deepseek_r1 or qwen2/qwq"),
        ("swift", "llama", "on", "type `llama` not all think: write llama/deepseek_r1 or "),
        # what has a wrong name is told that alone
        ("llamafactory", "Qwen3", "on", "did you mean `qwen3`?"),
        ("swift", "Qwen3", "on", "did you mean `qwen3`?"),
        ("swift", "qwen3/Qwen3", "on", "did you mean `qwen3`?"),
        ("swift", "qwen3/qwen3_nothinking", "on", "`qwen3_nothinking` has no place for thoughts"),
        ("swift", "qwen2_vl", "on", "`qwen2_vl` has no place for thoughts"),
        ("swift", "seed_oss", "off", "`seed_oss` is not used: "),
        ("swift", "kimi_k3", "on", "`kimi_k3` is not used: "),
        ("swift", "qwen2/dummy", "off", "`dummy` is not used: "),
        ("swift", "glm_moe_dsa/glm5_3", "off", "`glm5_3` always open a thought: write thinking: on"),
        ("swift", "glm_moe_dsa/glm5_3", "on", ""),
    ],
)
def test_templates_that_can(tmp_path: Path, toolkit: str, template: str, thinking: str, said: str) -> None:
    found = problems(recipe(tmp_path, toolkit, template, f"model.thinking={thinking}", method="zero_shot"))
    found = [problem for problem in found if "need transformers" not in problem]  # too new for the environment
    assert (said in found[0] and len(found) == 1) if said else found == [], found


@pytest.mark.parametrize("name", ["gpt_4o_zero_shot", "llava_video_7b_zero_shot", "videollama2_7b_zero_shot"])
def test_toolkits_that_cannot(tmp_path: Path, name: str) -> None:
    write_demo_data(tmp_path, sizes=(8, 4, 4))
    one = shipped(name, f"data.root={tmp_path}", "tasks=[demo]", "data.modality=text", "model.thinking=on")
    found = problems_of(make_plan(one, tmp_path / "runs"), elsewhere=("machine", "weights"))
    said = f"model.thinking: {one.model.toolkit} does not have its models think before they answer"
    assert [problem.hint for problem in found if problem.message == said] == ["write thinking: off, or leave it out"]


def test_training_with_thoughts_is_told(tmp_path: Path) -> None:
    write_demo_data(tmp_path, sizes=(8, 4, 4))
    said: list[str] = []
    one = recipe(tmp_path, "llamafactory", "qwen3", "model.thinking=on", "train.max_length=512")
    problems_of(make_plan(one, tmp_path / "runs"), elsewhere=("machine", "weights"), say=said.append)
    assert [text for text in said if "hold no thoughts" in text]


@pytest.mark.parametrize(
    ("toolkit", "extra"),
    [("llamafactory", name) for name in ("enable_thinking: false", "preserve_thinking: true")]
    + [("swift", name) for name in ("enable_thinking: false", "preserve_thinking: true", "response_prefix: x",
       "add_non_thinking_prefix: false", "disable_ignore_empty_think: true", "loss_scale: default+ignore_empty_think",
       "loss_scale: ignore_think_prefix")],
)  # fmt: skip
def test_the_toolkits_own_switches_are_refused(tmp_path: Path, toolkit: str, extra: str) -> None:
    template = {"llamafactory": "qwen3", "swift": "qwen3/qwen3"}[toolkit]
    one = recipe(tmp_path, toolkit, template, f"train.extra={{{extra}}}")
    (said,) = [text for text in trainer(toolkit).problems(one) if text.startswith("train.extra.")]
    assert said.endswith("the recipe's own key model.thinking")


def test_other_losses_are_no_matter_of_thoughts(tmp_path: Path) -> None:
    one = recipe(tmp_path, "swift", "qwen3/qwen3", "train.extra={loss_scale: last_round}")
    assert trainer("swift").problems(one) == []


@pytest.mark.parametrize("name", ["ENABLE_THINKING", "THINKING_MODE", "REASONING_EFFORT", "THINKING_BUDGET"])
def test_variables_that_templates_look_at(tmp_path: Path, name: str) -> None:
    one = recipe(tmp_path, "swift", "qwen3/qwen3")
    one = one.model_copy(update={"resources": one.resources.model_copy(update={"env": {name: "1"}})})
    assert f"resources.env.{name}: use model.thinking" in trainer("swift").problems(one)
    assert name in trainer("swift").train(one, TrainInputs("m", "d", "cpu")).unset


def started(command: Command) -> str:
    """The program that a training starts."""
    programs = [Path(word) for word in command.argv if Path(word).parent.name == "inside"]
    return programs[1].stem  # behind what starts it


@pytest.mark.parametrize(
    ("template", "path", "thinking", "program"),
    [
        ("minicpmv2_6", "openbmb/MiniCPM-V-2_6", "off", "train"),
        ("qwen3/qwen3", "a/b", "off", "train"),
        ("qwen3/qwen3", "a/b", "on", "formed"),
        ("qwen3/qwen3_thinking", "a/b", "off", "formed"),
        ("llama/llama3_2", "a/b", "off", "formed"),
        ("llama/llama3", "a/b", "off", "train"),
        ("gpt_oss", "openai/gpt-oss-20b", "off", "formed"),
        # swift picks the template by the name
        ("qwen2", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "off", "formed"),
        ("qwen2", "Qwen/Qwen2.5-7B-Instruct", "off", "train"),
        ("llama", "meta-llama/Llama-3.2-1B-Instruct/", "off", "formed"),
        ("llama", "meta-llama/Meta-Llama-3-8B-Instruct", "off", "train"),
        ("mistral3", "mistralai/Mistral-Small-3.1-24B-Instruct-2503", "off", "formed"),
    ],
)
def test_which_trainings_have_prompts_of_our_form(
    tmp_path: Path, template: str, path: str, thinking: str, program: str
) -> None:
    model = f"name: m, path: {path}, type: LLM, trust_remote_code: true"
    one = recipe(tmp_path, "swift", template, f"model.thinking={thinking}", model=model)
    command = trainer("swift").train(one, TrainInputs("m", "d", "cpu"))
    assert started(command) == program
    assert command.env.get("MMLA_THINKING") == (thinking if program == "formed" else None)
    assert ("--enable_thinking" in command.argv) == (program == "formed")


def keys(folder: Path, toolkit: str, template: str, *more: str) -> dict[str, str]:
    (job,) = make_plan(recipe(folder, toolkit, template, "select.strategy=last", *more), folder / "runs").jobs
    return {stage.kind: stage.key for stage in job.stages}


@pytest.mark.parametrize(("toolkit", "template"), [("llamafactory", "qwen3"), ("swift", "qwen3/qwen3_thinking")])
def test_what_is_done_again(tmp_path: Path, toolkit: str, template: str) -> None:
    write_demo_data(tmp_path, sizes=(8, 4, 4))
    off, on = keys(tmp_path, toolkit, template), keys(tmp_path, toolkit, template, "model.thinking=on")
    assert {kind for kind in off if off[kind] != on[kind]} == off.keys() - {"convert"}
    assert off == keys(tmp_path, toolkit, template, "model.thinking=off")
    more = keys(tmp_path, toolkit, template, "model.thinking=on", "inference.max_thinking_tokens=7")
    assert {kind for kind in on if on[kind] != more[kind]} == {"infer", "score"}
    same = keys(tmp_path, toolkit, template, "model.thinking=on", "inference.max_thinking_tokens=1024")
    assert same == on


def test_runners_are_told(tmp_path: Path) -> None:
    write_demo_data(tmp_path, sizes=(8, 4, 4))
    for toolkit, template in (("llamafactory", "qwen3"), ("swift", "qwen3/qwen3")):
        one = recipe(tmp_path, toolkit, template, "model.thinking=on", method="zero_shot")
        plan: Plan = make_plan(one, tmp_path / "runs")
        (command,) = infer_commands(plan, plan.jobs[0].stage("infer"), tmp_path, "cpu", None)
        config = json.loads(command.files["config.json"])
        assert (config["thinking"], config["max_new_tokens"]) == ("on", 1056)
