"""What training and inference in LLaMA-Factory share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.benchmark.model import models
from orchestrator.benchmark.thinking import ON
from orchestrator.environments.environment import Environment
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import programs
from orchestrator.toolkits.families import broken_problems, family_problems
from orchestrator.toolkits.settings import attention_problems, parts_problems, template_problems
from orchestrator.toolkits.thinking import no_thoughts, templates_of

ATTENTION = {"auto": "auto", "eager": "disabled", "sdpa": "sdpa", "flash_attention_2": "fa2"}
CACHE = "cache"  # in the stage's folder
# set in a user's shell, these would send LLaMA-Factory down other paths
UNSET = ("FORCE_TORCHRUN", "USE_V1", "USE_RAY", "USE_MCA", "USE_KT", "ALLOW_EXTRA_ARGS", "LLAMABOARD_ENABLED")


def model_problems(recipe: Recipe, environment: Environment) -> list[str]:
    """What of a recipe's model LLaMA-Factory cannot do."""
    template, offers = recipe.model.template, environment.offers
    if template is None:
        found = ["LLaMA-Factory needs the model's `template` (its chat format), e.g. template: qwen"]
    elif not (found := template_problems(template, offers.template if offers else ())):
        able = offers.video if offers else ()
        found = broken_problems(recipe, environment, [template])
        found = found or family_problems(recipe, environment, f"template `{template}`", [template], able)
        if recipe.model.thinking == ON and not reasons(recipe):
            found.append(no_thoughts(template, "qwen3, deepseekr1, gpt_oss, ..."))
    if not recipe.model.trust_remote_code and any(
        one.path == recipe.model.path and one.trust_remote_code for one in models().values()
    ):
        found.append("model.trust_remote_code: the model brings Python code of its own; say true if you trust it")
    found += attention_problems(recipe, environment)
    return found + parts_problems(recipe.model.parts, (), "LLaMA-Factory")


def reasons(recipe: Recipe) -> bool:
    """Whether the recipe's chat template has a place for thoughts."""
    return recipe.model.template in templates_of(Path(__file__).parent).think


def thinking_arguments(recipe: Recipe) -> dict[str, Any]:
    """The switch of a template that has a place for thoughts: by default LLaMA-Factory has it on."""
    return {"enable_thinking": recipe.model.thinking == ON} if reasons(recipe) else {}


def process_environment(recipe: Recipe, device: str) -> dict[str, str]:
    """The environment variables of a process on "cpu" or "cuda"."""
    # the data is local; the shared cache would hand out old features for videos changed under the same name
    return {"HF_DATASETS_OFFLINE": "1", "HF_DATASETS_CACHE": CACHE} | programs.process_environment(recipe, device)
