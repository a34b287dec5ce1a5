"""What of a stage's inputs is no longer what its key was made of: files are edited while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.benchmark.task import SPLITS, Task
from orchestrator.data.samples import forget_digests
from orchestrator.errors import OrchestratorError
from orchestrator.plan.keys import Inputs
from orchestrator.recipe.recipe import Recipe

# where data files stand among the inputs
DATA = ("data", "corpus", "exclude_leaks")


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
    forget_digests()  # a file edited within the clock's grain, or with its old time, is another file
    inputs = Inputs(recipe, {})
    try:
        now = {"data": inputs.rows(group)} if rows_only else inputs.of(kind, group)
    except (OSError, OrchestratorError) as error:
        return [str(error)]
    found = [what for name in DATA for what in _files(then.get(name), now.get(name), rows_only=rows_only)]
    if rows_only:
        return found
    named = {
        "runner": "the orchestrator's own programs",
        "deepspeed": f"the DeepSpeed configuration {recipe.train.deepspeed if recipe.train else ''}",
        "model": f"the model's files in {recipe.model.path}",
        "prompt": f"the prompt template {recipe.prompt.template}",
    }
    found += [what for name, what in named.items() if then.get(name) != now.get(name)]
    if "toolkit" in then and inputs.part(kind).environment.state() == "stale":
        found.append(f"the environment of {recipe.model.toolkit}, or its lock")
    return found


def _files(then: Any, now: Any, *, rows_only: bool) -> Iterator[str]:
    """The splits that differ in two of `Inputs._files`, which the model from scratch has one by one in lists."""
    for old, new in zip(then or (), now or (), strict=False):
        if isinstance(old, list):
            yield from _files(old, new, rows_only=rows_only)
            continue
        for split in SPLITS:
            if old.get(split) != new.get(split):
                yield f"{old['task']}'s {split} data"
            elif old.get(f"{split}_videos") != new.get(f"{split}_videos") and not rows_only:
                yield f"the videos of {old['task']}'s {split} data"
