"""The JSON Schema of recipes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator.checked_yaml.nodes import plain
from orchestrator.checked_yaml.reader import read_file
from orchestrator.recipe.schema import SCHEMA_NAME, recipe_schema, schema_text
from tests.shared import RECIPES


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return recipe_schema()


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema)


def test_schema_describes_files(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert "required" not in schema
    keys = schema["properties"]
    assert {"extends", "model", "tasks", "train", "name"} <= keys.keys()
    assert "source" not in keys
    assert "MIntRec2.0" in keys["tasks"]["anyOf"][1]["items"]["enum"]
    assert {"const": "all"} in keys["tasks"]["anyOf"]
    assert "tiny_qwen2" in keys["model"]["anyOf"][0]["enum"]
    assert all(
        section["additionalProperties"] is False for section in schema["$defs"].values() if "properties" in section
    )
    assert schema["$defs"]["Train"]["properties"]["learning_rate"]["exclusiveMinimum"] == 0
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_schema_knows_every_key_of_the_projects_recipes(path: Path, schema: dict[str, Any]) -> None:
    def check(value: Any, rule: dict[str, Any]) -> None:
        rules = rule.get("anyOf", [rule])
        rules = [schema["$defs"][option["$ref"].rsplit("/")[-1]] if "$ref" in option else option for option in rules]
        if isinstance(value, dict):
            (mapping,) = [option for option in rules if option.get("type") == "object"]
            for key, child in value.items():
                if "properties" in mapping:
                    assert key in mapping["properties"]
                    check(child, mapping["properties"][key])
        elif isinstance(value, str) and any("enum" in option or "const" in option for option in rules):
            assert any(value in option.get("enum", [option.get("const")]) for option in rules)

    check(plain(read_file(path, "a recipe").root), schema)


def test_the_committed_schema_is_that_of_the_code() -> None:
    text = (RECIPES / SCHEMA_NAME).read_text()
    assert text == schema_text(Path("none")), "make schema"


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_names_it(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == RECIPES / SCHEMA_NAME


def test_every_key_is_described(schema: dict[str, Any]) -> None:
    sections = {"": {"properties": schema["properties"]}} | schema["$defs"]
    bare = [f"{name}.{key}" for name, section in sections.items() for key, rule in section.get("properties", {}).items()
            if not rule.get("description")]  # fmt: skip
    assert bare == []


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_projects_recipes_fit_it(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    assert list(validator.iter_errors(plain(read_file(path, "a recipe").root))) == []


TYPOS = {
    "methd: sft": (),
    "method: stf": ("method",),
    "model: qwen2_7": ("model",),
    "model: {name: x, toolkit: llama_factory}": ("model", "toolkit"),
    "tasks: [MELDD]": ("tasks", 0),
    "tasks: MELD": ("tasks",),
    "tasks: [MELD, MELD]": ("tasks",),
    "protocol: release": ("protocol",),
    "seed: -1": ("seed",),
    "train: {epoch: 3}": ("train",),
    "train: {epochs: many}": ("train", "epochs"),
    "train: {learning_rate: 0}": ("train", "learning_rate"),
    "train: {lora: {rang: 8}}": ("train", "lora"),
    "train: {precision: bf32}": ("train", "precision"),
    "train: {deepspeed: zero4}": ("train", "deepspeed"),
    "train: {per_task: {MELDD: {epochs: 3}}}": ("train", "per_task"),
    "train: {per_task: {MELD: {epoch: 3}}}": ("train", "per_task", "MELD"),
    "select: {strategy: best}": ("select", "strategy"),
    "inference: {split: tset}": ("inference", "split"),
    "video: {frames: 0}": ("video", "frames"),
    "data: {modality: audio_only}": ("data", "modality"),
    "resources: {device: gpu}": ("resources", "device"),
    "sweep: {train.learning_rat: [1e-5]}": ("sweep",),
    "sweep: {seed: 1}": ("sweep", "seed"),
    "slurm: {gpu_option: gpu}": ("slurm", "gpu_option"),
}


@pytest.mark.parametrize(("text", "place"), TYPOS.items())
def test_a_typo_is_found_where_it_stands(
    text: str, place: tuple[str | int, ...], validator: jsonschema.Draft202012Validator
) -> None:
    def leaves(error: jsonschema.ValidationError) -> Iterator[jsonschema.ValidationError]:
        yield from (leaf for one in error.context for leaf in leaves(one)) if error.context else [error]

    errors = validator.iter_errors(yaml.safe_load(text))
    found = {tuple(leaf.absolute_path) for error in errors for leaf in leaves(error)}
    assert place in found
