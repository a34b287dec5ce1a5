"""Answers of LLaVA-NeXT's models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Command
from orchestrator.toolkits.engine import LocalEngine
from orchestrator.toolkits.llava_next.settings import (
    ATTENTION,
    model_problems,
    process_environment,
    vision_tower,
    weights_problems,
)


class Engine(LocalEngine):
    """LLaVA-NeXT's model, image processor and video code around ``generate``."""

    inside = Path(__file__).parent / "inside"
    scores_labels = True
    weights_problems = staticmethod(weights_problems)

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`."""
        return model_problems(recipe, self.environment)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Engine.infer`."""
        tower = vision_tower(recipe)
        parts = {**config["parts"], "vision_tower": tower} if tower else config["parts"]
        config = {**config, "attention": ATTENTION[recipe.model.attention], "parts": parts}
        return self.configured("infer", config, process_environment(recipe, str(config["device"])))
