"""What of a stage's inputs is no longer what its key was made of: files are edited while a run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.samples import forget_digests
from orchestrator.errors import OrchestratorError
from orchestrator.machine.meaning import forget_meanings
from orchestrator.plan.differences import DATA, data_differences
from orchestrator.plan.keys import Inputs
from orchestrator.recipe.recipe import Recipe


def changes(
    recipe: Recipe, kind: str, group: tuple[Task, ...], then: Mapping[str, Any], *, rows_only: bool = False
) -> list[str]:
    """What of a stage's inputs has changed since it was planned, in words.

    Args:
        recipe: as it was planned.
        kind: of the stage.
        group: the job's tasks.
        then: the inputs that the stage's key was made of.
        rows_only: of an inference, look at nothing but the rows that it answers.
    """
    forget_meanings()
    forget_digests()  # a file edited within the clock's grain, or with its old time, is another file
    inputs = Inputs(recipe, {})
    try:
        now = {"data": inputs.rows(group)} if rows_only else inputs.of(kind, group)
    except (OSError, OrchestratorError) as error:
        return [str(error)]
    found = [what for name in DATA for what in data_differences(then.get(name), now.get(name), rows_only=rows_only)]
    if rows_only:
        return found
    named = {
        "programs": "the orchestrator's own programs",
        "deepspeed": f"the DeepSpeed configuration {recipe.train.deepspeed if recipe.train else ''}",
        "weights": f"the model's files in {recipe.model.path}",
        "prompt": f"the prompt template {recipe.prompt.template}",
    }
    found += [what for name, what in named.items() if then.get(name) != now.get(name)]
    if "lock" in then and inputs.part(kind).environment.state() == "stale":
        found.append(f"the environment of {recipe.model.toolkit}, or its lock")
    return found
