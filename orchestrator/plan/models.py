"""What is wrong with the models of plans wherever they run: a `plan` says it, and looks at nothing else of these."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.errors import Problem
from orchestrator.plan.plan import Plan
from orchestrator.plan.survey import problem_of

# how that begins what toolkits say of a model's family: others of their problems are this machine's, or the training's
OF_MODEL = ("model.template: ", "data.modality: ")


def model_problems(plans: Iterable[Plan]) -> list[Problem]:
    """Unknown templates, families that a toolkit does not show what is wanted, and what is known not to work there."""
    found: dict[Problem, None] = {}
    for plan in plans:
        said = plan.engine.problems(plan.recipe)
        found |= dict.fromkeys(problem_of(plan.recipe, text) for text in said if text.startswith(OF_MODEL))
    return list(found)
