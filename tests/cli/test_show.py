from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.running import call
from tests.shared import RECIPES


def test_what_is_shown_is_a_recipe_again(tmp_path: Path) -> None:
    shown = call("show", RECIPES / "qwen2_7b_it.yaml")
    (tmp_path / "qwen2_7b_it.yaml").write_text(shown)
    assert call("show", tmp_path / "qwen2_7b_it.yaml") == shown


def test_as_json_with_a_key_changed() -> None:
    file, changed = RECIPES / "demo.yaml", ("--set", "seed=7")
    assert json.loads(call("show", file, *changed, "--json")) == yaml.safe_load(call("show", file, *changed))
    assert json.loads(call("show", file, *changed, "--json"))["seed"] == 7


def test_schema_and_nothing_to_show() -> None:
    assert "train" in json.loads(call("show", "--schema"))["properties"]
    assert call("show", code=2).startswith("error: no recipe given\n    python -m orchestrator show RECIPE")
