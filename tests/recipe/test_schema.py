"""The JSON Schema of recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.recipe.schema import recipe_schema
from tests.shared import RECIPES


def test_schema_describes_files() -> None:
    schema = recipe_schema()
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
def test_schema_knows_every_key_of_the_projects_recipes(path: Path) -> None:
    import yaml

    schema = recipe_schema()

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

    check(yaml.safe_load(path.read_text()), schema)
