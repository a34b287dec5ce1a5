"""``show``: a recipe as it is understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.table import json_text, tell
from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe, sweep_of
from orchestrator.recipe.resolved import as_yaml
from orchestrator.recipe.schema import schema_text
from orchestrator.recipe.trust import Trust


def show_recipe(file: Path | None, overrides: Sequence[str], trust: Trust, *, schema: bool, as_json: bool) -> None:
    """Print a recipe fully resolved, or the JSON Schema of recipe files (given one, for the tasks of its data folder).

    Raises:
        InputError: the recipe is wrong, or none was given.
    """
    if schema:
        root = Path(load_recipe(file, overrides, trust=trust).data.root) if file else None
        tell(schema_text(root), end="")
        return
    if file is None:
        raise InputError("no recipe given", hint="python -m orchestrator show RECIPE, or show --schema")
    resolved = load_recipe(file, overrides, trust=trust).resolved() | sweep_of(file, overrides)
    if as_json:
        tell(json_text(resolved))
    else:
        tell(as_yaml(resolved), end="")
