"""The JSON Schema of recipe files, for editors (completion, and typos underlined as they are typed)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import tasks
from orchestrator.environments.places import deepspeed_names, toolkit_names
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Data

SCHEMA_NAME = "recipe.schema.json"  # in recipes/, for editors
_FILE = {"type": "string", "pattern": r"\.json$"}
Rules = dict[str, Any]


def schema_text(root: Path | None = None) -> str:
    """The schema of `recipe_schema` as a file."""
    return json.dumps(recipe_schema(root), indent=2) + "\n"


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
        for key in section.get("properties", {}).values():
            _describe(key, sections)
    for key in sections["TaskTrain"]["properties"].values():
        key.pop("default", None)  # what a row leaves out is the recipe's own value
    sections["Train"]["properties"]["per_task"]["propertyNames"] = {"enum": known}
    for name in ("Train", "TaskTrain"):
        key = sections[name]["properties"]["deepspeed"]
        key["anyOf"] = [{"enum": deepspeed_names()}, _FILE, {"type": "null"}]
    sections["ModelSpec"]["properties"]["toolkit"]["enum"] = toolkit_names()
    keys: dict[str, Any] = schema.pop("properties")
    keys.pop("source")
    for key, value in keys.items():
        _describe(value, sections)
        if "$ref" in value:
            keys[key] = {"description": value.pop("description"), "anyOf": [value, {"type": "null"}]}
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
        "propertyNames": {"anyOf": _names(keys, sections)},
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


def _describe(key: Rules, sections: Mapping[str, Rules]) -> None:
    """Have a key that holds a section say what the section is, unless it says that itself."""
    held = next((rule for rule in (key, *key.get("anyOf", ())) if "$ref" in rule), None)
    if held and "description" not in key:
        key["description"] = held.get("description") or sections[_referred(held)]["description"]


def _referred(rule: Rules) -> str:
    return str(rule["$ref"]).rsplit("/", 1)[-1]


def _names(keys: Mapping[str, Rules], sections: Mapping[str, Rules]) -> list[Rules]:
    """What a dotted key of a sweep may be."""
    known, open_ends = [], []
    for path, is_open in _paths(keys, sections):
        known.append(path)
        open_ends += [re.escape(path)] if is_open else []
    return [{"enum": known}, {"pattern": rf"^({'|'.join(open_ends)})\..+"}]


def _paths(keys: Mapping[str, Rules], sections: Mapping[str, Rules], above: str = "") -> Iterator[tuple[str, bool]]:
    """The dotted keys, and of each whether others of any name may stand below it."""
    for key, rule in keys.items():
        path, choices = above + key, [rule, *rule.get("anyOf", ())]
        yield path, any(one.get("additionalProperties", False) is not False for one in choices)
        for one in choices:
            if "$ref" in one:
                yield from _paths(sections[_referred(one)].get("properties", {}), sections, f"{path}.")
