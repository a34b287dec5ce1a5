"""Which of ms-swift's trainings run with prompts of our own form (``inside/forms.py``), and which are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from orchestrator.benchmark.thinking import ON
from orchestrator.machine.meaning import meaning
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.programs import sources_of
from orchestrator.toolkits.thinking import no_thoughts, templates_of

HERE = Path(__file__).parent
FORMED = "formed"  # the program that trains so, beside `train`


def _names(recipe: Recipe) -> tuple[str, str]:
    """The model type, and the chat template where the recipe names one."""
    kind, _, template = (recipe.model.template or "").partition("/")
    return kind, template


def thinking_problems(recipe: Recipe) -> list[str]:
    """What is wrong with a recipe's chat template, of prompts that are to be the same in training and in inference."""
    (kind, template), known, thinking = _names(recipe), templates_of(HERE), recipe.model.thinking
    if why := known.refused.get(template or kind):
        return [f"model.template: `{template or kind}` is not used: {why}"]
    found = []
    able = (*known.think, *known.always)
    if thinking == ON and (template not in able if template else kind not in known.think_types):
        found.append(no_thoughts(template or kind, "qwen3/qwen3, qwen3/qwen3_thinking, qwen2/deepseek_r1, ..."))
    elif thinking == ON and not template and (names := known.mixed_types.get(kind)):
        able_here = " or ".join(f"{kind}/{name}" for name in names)
        found.append(f"model.template: of models of type `{kind}` not all think: write {able_here}")
    if thinking != ON and template in known.always:
        found.append(f"model.thinking: prompts of `{template}` always open a thought: write thinking: on")
    return found


def is_formed(recipe: Recipe) -> bool:
    """Whether a recipe's training needs prompts of our form; those of other templates are alike by themselves."""
    (kind, template), known = _names(recipe), templates_of(HERE)
    if recipe.model.thinking == ON:
        return True
    if template:
        return template in known.formed
    name = (recipe.model.path or "").rstrip("/").rpartition("/")[2].lower()
    picked = kind in known.picked_types and any(re.search(part, name) for part in known.formed_names)
    return kind in known.formed_types or picked


def form(recipe: Recipe) -> dict[str, Any]:
    """What a training in our form depends on; of others nothing."""
    if not is_formed(recipe):
        return {}
    program = meaning(sources_of(HERE / "inside" / f"{FORMED}.py"))
    return {"thinking": recipe.model.thinking, "program": program}
