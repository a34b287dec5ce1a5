"""Answers of ms-swift's models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Command
from orchestrator.toolkits.engine import LocalEngine
from orchestrator.toolkits.swift.settings import UNSET, model_problems, process_environment


class Engine(LocalEngine):
    """ms-swift's own engine, behind our loop."""

    inside = Path(__file__).parent / "inside"
    scores_labels = True
    unset = UNSET
    history = True

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`."""
        return model_problems(recipe, self.environment)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Engine.infer`."""
        return self.configured("infer", config, process_environment(recipe, str(config["device"])))
