"""What training and inference in LLaVA-NeXT share."""

from __future__ import annotations

from pathlib import Path

from orchestrator.environments.environment import Environment
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import programs, whole
from orchestrator.toolkits.families import media_problems
from orchestrator.toolkits.llava_next.inside.train import PROJECTOR
from orchestrator.toolkits.settings import attention_problems, parts_problems, template_problems

# its own default is flash_attention_2, a package that it does not bring
ATTENTION = {"auto": "sdpa", "eager": "eager", "sdpa": "sdpa", "flash_attention_2": "flash_attention_2"}
# the conversation templates that train.py renders as Qwen's chat format
TEMPLATES = ("qwen_1_5", "qwen_2")


def model_problems(recipe: Recipe, environment: Environment) -> list[str]:
    """What of a recipe's model LLaVA-NeXT cannot do."""
    model = recipe.model
    found = [] if model.init is None else ["LLaVA-NeXT makes no model from scratch: give model.path"]
    if model.template is not None:
        found += template_problems(model.template, TEMPLATES)
    found += media_problems(recipe, ("video",), "LLaVA-NeXT")
    found += attention_problems(recipe, environment)
    return found + parts_problems(model.parts, ("vision_tower",), "LLaVA-NeXT")


def process_environment(recipe: Recipe, device: str) -> dict[str, str]:
    """The environment variables of a process on "cpu" or "cuda"."""
    env = programs.process_environment(recipe, device)
    # a local model may still want its vision tower from the hub; the programs find out (find_model)
    for name in {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} - recipe.resources.env.keys():
        env.pop(name, None)
    return env


def weights_problems(folder: Path) -> list[str]:
    """What is missing or damaged of a checkpoint: an adapter comes with the projector, all with the configuration."""
    adapter = any(folder.glob("adapter_*"))
    wanted = ("config.json", PROJECTOR) if adapter else ()
    return whole.missing(folder, *wanted) + whole.weights_problems(folder)


def vision_tower(recipe: Recipe) -> str | None:
    """The tower that the recipe gives in place of the one that the checkpoint names; a folder as an absolute path."""
    tower = recipe.model.parts.get("vision_tower")
    local = Path(tower).expanduser() if tower else None
    return str(local.resolve()) if local and local.is_dir() else tower
