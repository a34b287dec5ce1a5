"""The settings of a results row: what of a recipe is not as it is by default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.recipe.given import given
from orchestrator.recipe.recipe import Recipe

# as in `Recipe.digest` what people call it, where it is and how fast it goes; and what has a column and no default
_NOT_TOLD = (
    "name", "description", "method", "tasks", "source", "data.root", "data.video_root", "resources",
    "inference.batch_size", "train.eval_batch_size", "train.per_task", "train.report_to",
    "model.name", "model.toolkit", "model.type", "model.params_b", "model.gpus",
)  # fmt: skip
_OF_TRAINING = ("train", "select", "it")


def settings(recipe: Recipe) -> str:
    """Compact JSON, sorted: the values that are not at their default by dotted key, as ``--set`` has them.

    Of a model what its entry in the catalogue says is left out; of a file or folder of this machine only its name is
    told. Under `it` the tasks that were mixed are told where they are not the benchmark's.

    Args:
        recipe: as the row's job ran it: under `sft` with the task's own training settings.
    """
    left_out = (*_NOT_TOLD, *(() if recipe.train else _OF_TRAINING))
    found = dict(_flat(given(recipe, left_out)))
    known = next((spec for spec in models().values() if spec.name == recipe.model.name), None)
    usual = dict(_flat({"model": given(known)})) if known else {}
    told = {key: _shown(value) for key, value in found.items() if (key, value) not in usual.items()}
    told |= {f"resources.env.{name}": _shown(value) for name, value in recipe.resources.decisive_env.items()}
    if recipe.method == "it" and set(recipe.tasks) != set(benchmark_tasks("mmla")):
        told["tasks"] = list(recipe.tasks)
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _flat(values: dict[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{head}{key}.")
        else:
            yield f"{head}{key}", value


def _shown(value: Any) -> Any:
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
