"""What is told before a run of what a toolkit's families of models take: by the tables that are committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.environments.offers import BROKEN, COPY
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.registry import engine

ELSE = "take a model or toolkit that can (docs/models.md), or set data.modality: text"
ELSE_HEARD = "set data.modality: audio or text, or take a model or toolkit that can (docs/models.md)"


def of(folder: Path, toolkit: str, template: str, more: str = "", kind: str = "MLLM") -> Recipe:
    file = folder / "mine.yaml"
    model = f"{{name: mine, path: some/id, toolkit: {toolkit}, template: {template}, type: {kind}}}"
    file.write_text(f"method: zero_shot\ntasks: [demo]\nmodel: {model}\n{more}")
    return load_recipe(file)


def told(recipe: Recipe) -> list[str]:
    return [text for text in engine(recipe.model.toolkit).problems(recipe) if "trust_remote_code" not in text]


def sees(toolkit: str, templates: str) -> list[tuple[str, str]]:
    return [(toolkit, name) for name in templates.split()]


@pytest.mark.parametrize(
    ("toolkit", "template"),
    [
        *sees("llamafactory", "qwen2_vl qwen3_vl_nothink qwen3_vl qwen3_5 intern_vl gemma4 qwen2_omni"),
        *sees("swift", "minicpmv2_6 qwen2_5_vl qwen2_5_vl/qwen2_5_vl qwen2_vl/qwen2_vl qwen3_vl internvl_chat"),
        *sees("llava_next", "qwen_1_5"),
    ],
)
def test_families_that_see(tmp_path: Path, toolkit: str, template: str) -> None:
    assert told(of(tmp_path, toolkit, template)) == []
    assert told(of(tmp_path, toolkit, template, "data: {modality: text}\n")) == []


@pytest.mark.parametrize(
    ("toolkit", "template", "family", "hint"),
    [
        ("llamafactory", "gemma3", "template `gemma3`", ELSE),  # gemma4 is none of its relatives
        ("llamafactory", "gemma3n", "template `gemma3n`", ELSE),  # hears, by the toolkit's list; not tried here
        ("llamafactory", "qwen3", "template `qwen3`", f"did you mean `qwen3_vl`? Else {ELSE}"),
        ("llamafactory", "qwen3_nothink", "template `qwen3_nothink`", ELSE),
        ("llamafactory", "glm4", "template `glm4`", ELSE),
        ("llamafactory", "llama3", "template `llama3`", ELSE),
        ("llamafactory", "pixtral", "template `pixtral`", ELSE),
        ("llamafactory", "qwen2_audio", "template `qwen2_audio`", ELSE_HEARD),
        ("swift", "gemma3_vision", "type `gemma3_vision`", ELSE),
        ("swift", "qwen3/qwen3", "type `qwen3/qwen3`", f"did you mean `qwen3_vl`? Else {ELSE}"),
        # a text model's type with the template of one that sees, and the other way round
        ("swift", "qwen3/qwen3_vl", "type `qwen3/qwen3_vl`", f"did you mean `qwen3_vl`? Else {ELSE}"),
        ("swift", "qwen3_vl/qwen3", "type `qwen3_vl/qwen3`", f"did you mean `qwen3_vl`? Else {ELSE}"),
        # swift's own list says that it sees; its code gives the model no video
        ("swift", "llava_onevision_hf", "type `llava_onevision_hf`", ELSE),
    ],
)
def test_families_that_do_not(tmp_path: Path, toolkit: str, template: str, family: str, hint: str) -> None:
    release = {"llamafactory": "llamafactory 0.9.5", "swift": "ms-swift 4.6.0"}[toolkit]
    message = f"{release} shows no video to models of the {family}; {hint}"
    assert told(of(tmp_path, toolkit, template)) == [f"model.template: {message}"]
    assert told(of(tmp_path, toolkit, template, "data: {modality: video}\n")) == [f"data.modality: {message}"]
    assert told(of(tmp_path, toolkit, template, "data: {modality: text}\n")) == []


def test_a_type_that_is_too_new_for_the_environment(tmp_path: Path) -> None:
    why = "and the environment of swift has an older one; take a model or toolkit that can (docs/models.md)"
    for more in ("", "data: {modality: text}\n"):
        said = told(of(tmp_path, "swift", "qwen3_5", more))
        assert said == [f"model.template: models of type `qwen3_5` need transformers>=5.2.0, {why}"]


def test_packages_that_a_type_needs_for_more_than_text(tmp_path: Path) -> None:
    environment = engine("swift").environment
    (said,) = told(of(tmp_path, "swift", "mplug_owl3"))
    assert said.startswith("model.template: models of type `mplug_owl3` need icecream, which the environment of swift ")
    assert said.endswith(f"uv pip install --python {environment.python} icecream")
    assert told(of(tmp_path, "swift", "mplug_owl3", "data: {modality: text}\n")) == []


def test_a_name_that_is_unknown_is_told_alone(tmp_path: Path) -> None:
    assert told(of(tmp_path, "llamafactory", "qwen3_vll")) == [
        "model.template: the toolkit knows no chat template `qwen3_vll`; did you mean `qwen3_vl`?"
    ]
    assert told(of(tmp_path, "swift", "qwen3_vll")) == [
        "model.template: the toolkit knows no model type `qwen3_vll`; did you mean `qwen3_vl`?"
    ]


@pytest.mark.parametrize(
    ("template", "write"),
    [
        ("deepseek_r1", "TYPE/deepseek_r1"),
        ("llama3_2", "TYPE/llama3_2"),
        ("glm4_5v", "glm4v/glm4_5v or glm4v_moe/glm4_5v"),
    ],
)
def test_a_chat_template_where_swift_wants_a_type(tmp_path: Path, template: str, write: str) -> None:
    said = told(of(tmp_path, "swift", template, kind="LLM"))
    assert said == [f"model.template: `{template}` is no model type: that is a chat template: write {write}"]


def test_what_is_known_not_to_work_is_told_with_its_reason(tmp_path: Path) -> None:
    environment = Environment.load("llamafactory")
    assert environment.broken
    for one in environment.broken:
        for name in one.names:
            (said,) = told(of(tmp_path, "llamafactory", name, "data: {modality: video}\n"))
            assert said == (
                f"model.template: `{name}` does not work in llamafactory 0.9.5 with data.modality: video: {one.why}; "
                f"{one.instead}"
            )
            text = told(of(tmp_path, "llamafactory", name, "data: {modality: text}\n"))
            assert bool(text) == ("text" in one.modality)


def test_what_failed_when_it_was_tried_has_a_reason() -> None:
    environment = Environment.load("llamafactory")
    assert environment.offers
    told_of = {name for one in environment.broken if one.modality == ("video",) for name in one.names}
    assert told_of == set(environment.offers.video_fails)
    assert not told_of.intersection(environment.offers.video)


@pytest.mark.parametrize("toolkit", ["llamafactory", "llava_next", "swift", "videollama2"])
def test_the_committed_tables_are_of_the_pins(toolkit: str) -> None:
    environment = Environment.load(toolkit)
    assert environment.offers, f"{COPY}: python -m tests.toolkits.test_offers {toolkit}"
    assert environment.broken or not (environment.folder / BROKEN).exists(), BROKEN
