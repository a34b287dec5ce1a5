"""The catalogue of models."""

from __future__ import annotations

import pytest

from orchestrator.benchmark.model import models
from orchestrator.recipe.load import load_recipe
from tests.recipe_files import write

pytestmark = pytest.mark.usefixtures("own_folder")


def test_every_model_of_the_catalogue_is_valid() -> None:
    for name in models():
        load_recipe(write(f"method: zero_shot\nmodel: {name}\ntasks: all\n"))
