"""Answers of VideoLLaMA2's models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Command
from orchestrator.toolkits.engine import LocalEngine
from orchestrator.toolkits.videollama2.problems import model_problems
from orchestrator.toolkits.videollama2.settings import UNSET, process_environment, weights_problems, with_parts


class Engine(LocalEngine):
    """VideoLLaMA2's model classes and video code around ``generate``."""

    inside = Path(__file__).parent / "inside"
    scores_labels = True
    unset = UNSET
    weights_problems = staticmethod(weights_problems)

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`."""
        return model_problems(recipe, self.environment)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Engine.infer`."""
        return self.configured("infer", with_parts(recipe, config), process_environment(recipe, str(config["device"])))
