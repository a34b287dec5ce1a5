"""The JSON Schema of recipe files, for editors (completion, and typos underlined as they are typed)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import tasks
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Data


def recipe_schema(root: Path | None = None) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe file.

    It differs from that of ``Recipe`` in what the loader adds: ``extends``, ``sweep``, a model by its catalogue name,
    ``tasks: all``, sections left empty, and no key required, for a file may hold only a part. The tasks are those of
    the benchmarks and of the data folder ``root``: by default, of the one that recipes use unless they name another.
    """
    known = list(tasks(root or Path(Data().root)))
    schema = Recipe.model_json_schema()
    sections: dict[str, dict[str, Any]] = schema["$defs"]
    for section in sections.values():
        section.pop("required", None)
    for key in sections["TaskTrain"]["properties"].values():
        key.pop("default", None)  # what a row leaves out is the recipe's own value
    sections["Train"]["properties"]["per_task"]["propertyNames"] = {"enum": known}
    keys: dict[str, Any] = schema.pop("properties")
    keys.pop("source")
    for key, value in keys.items():
        if "$ref" in value:
            keys[key] = {"anyOf": [value, {"type": "null"}]}
    keys["model"] = {
        "description": "a name of the catalogue, or a mapping: `name` with what differs, or all of an own model",
        "anyOf": [{"enum": list(models())}, {"$ref": "#/$defs/ModelSpec"}],
    }
    keys["tasks"] = {
        "description": keys["tasks"]["description"],
        "anyOf": [
            {"const": "all"},
            {"type": "array", "items": {"enum": known}, "minItems": 1, "uniqueItems": True},
        ],
    }
    file_name = {"type": "string", "minLength": 1}
    extends = {
        "description": "recipe file(s), relative to this one, whose keys this one overrides",
        "anyOf": [file_name, {"type": "array", "items": file_name}],
    }
    sweep = {
        "description": "keys with several values each, {train.learning_rate: [1e-5, 5e-5]}: every combination is a run",
        "type": ["object", "null"],
        "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, {"type": "null"}]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "MMLA orchestrator recipe",
        "type": "object",
        "additionalProperties": False,
        "properties": {"extends": extends, **keys, "sweep": sweep},
        "$defs": sections,
    }
