"""Shipped recipes as tests need them, and data sets of the tests' own making."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from tests.shared import RECIPES


def shipped(name: str, *overrides: str) -> Recipe:
    """A recipe of this checkout by its file's name, with ``--set`` overrides."""
    return load_recipe(RECIPES / f"{name}.yaml", overrides)


def plan_of(name: str, *overrides: str, runs: Path = Path("runs"), **options: Any) -> Plan:
    """The plan of a shipped recipe; ``options`` are those of `make_plan`."""
    return make_plan(shipped(name, *overrides), runs, **options)


def write_rows(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """A split as users have it, ``<dataset>/<split>.tsv``; a row is id, video, text, label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "video", "text", "label"])
        writer.writerows(rows)
