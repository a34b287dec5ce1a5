"""What training and inference in ms-swift share."""

from __future__ import annotations

from pathlib import Path

from orchestrator.environments.environment import Environment
from orchestrator.inside.sound import RATE
from orchestrator.machine.files import read_json
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import programs
from orchestrator.toolkits.settings import attention_problems, parts_problems
from orchestrator.toolkits.swift.families import model_type_problems, name_problems
from orchestrator.toolkits.swift.thinking import thinking_problems
from orchestrator.toolkits.video_tokens import family_of, length_problems

HERE = Path(__file__).parent

# what some chat templates look at, whatever they are told of thoughts
THOUGHTS = (
    *("ENABLE_THINKING", "THINKING_MODE", "REASONING_EFFORT", "THINKING_BUDGET", "SEED_USE_THINKING"),
    "SEED_USE_BUDGET_INTERVAL",
)
# set in a user's shell, these would change what swift does with the same command
UNSET = (
    *("RAY_SWIFT_ARGS", "SWIFT_SINGLE_DEVICE_MODE", "SWIFT_CONFIG_FILE", "ROOT_IMAGE_DIR", "RANDOM_DATASET_RESPONSE"),
    *("FPS", "MAX_PIXELS", "MIN_PIXELS", "MAX_SLICE_NUMS", "VIDEO_TOTAL_PIXELS"),
    *("FORCE_QWENVL_VIDEO_READER", "QWENVL_BBOX_FORMAT", "USE_AUDIO_IN_VIDEO", "SAMPLING_RATE", "ENABLE_AUDIO_OUTPUT"),
    *THOUGHTS,
)
# what its families of models call the number of frames: MiniCPM-V, Qwen-VL (twice), LLaVA, Ovis, InternVL
FRAMES = ("MAX_NUM_FRAMES", "FPS_MIN_FRAMES", "FPS_MAX_FRAMES", "NUM_FRAMES", "NFRAMES", "VIDEO_SEGMENTS")
# variables that a recipe sets otherwise: in resources.env the results would not say so
OWNED = {
    **dict.fromkeys(FRAMES, "use video.frames"),
    "VIDEO_MAX_PIXELS": "use video.max_pixels",
    **dict.fromkeys(("USE_AUDIO_IN_VIDEO", "SAMPLING_RATE"), "use data.modality"),
    **dict.fromkeys(THOUGHTS, "use model.thinking"),
}
MIN_PIXELS = 4 * 28 * 28  # four tokens of Qwen-VL
REMOTE_CODE = ("minicpmv2_5", "minicpmv2_6", "minicpmv4", "minicpmv4_5", "minicpmo", "internlm2", "internlm3")


def model_type(recipe: Recipe) -> dict[str, str | None]:
    """swift's model type and, where the recipe names one behind a slash, its chat template."""
    kind, _, template = (recipe.model.template or "").partition("/")
    return {"model_type": kind, "template": template or None}


def model_problems(recipe: Recipe, environment: Environment) -> list[str]:
    """What of a recipe's model and of its videos ms-swift cannot do."""
    model = recipe.model
    found = []
    if model.init is not None:
        found.append("ms-swift makes no model from scratch: give model.path")
    if model.template is None:
        found.append("ms-swift needs the model's type as `template`, e.g. template: minicpmv2_6")
    elif wrong := name_problems(environment, model.template):
        found += wrong
    else:
        found += model_type_problems(recipe, environment, model.template) + thinking_problems(recipe)
    found += parts_problems(model.parts, (), "ms-swift")
    if not model.trust_remote_code and (why := _own_code(recipe)):
        found.append(f"{why}, which swift would run: set model.trust_remote_code: true if you trust it")
    if recipe.shows_video:
        found += _video_problems(recipe)
    found += attention_problems(recipe, environment)
    return found + [f"resources.env.{name}: {use}" for name, use in OWNED.items() if name in recipe.resources.env]


def _own_code(recipe: Recipe) -> str:
    """Why a model needs its own code, as far as that can be told without the hub; empty where nothing says so."""
    path, kind = recipe.model.path, model_type(recipe)["model_type"]
    config = read_json(Path(path).expanduser() / "config.json") if path else None
    if isinstance(config, dict):
        return "the model's folder brings Python code of its own" if config.get("auto_map") else ""
    return f"models of type {kind} bring Python code of their own" if kind in REMOTE_CODE else ""


def _video_problems(recipe: Recipe) -> list[str]:
    """Frames that the model's family cannot take, or that leave no room for the words."""
    frames, family, found = recipe.video.frames, family_of(recipe, HERE), []
    if family and family.frames == 2 and frames % 2:
        found.append(f"video.frames is {frames}, but Qwen-VL takes frames in pairs: give an even number")
    return found + length_problems(recipe, family)


def process_environment(recipe: Recipe, device: str) -> dict[str, str]:
    """The environment variables of a process on "cpu" or "cuda"."""
    env = {"USE_HF": "1", "MMLA_TRUST_REMOTE_CODE": str(int(recipe.model.trust_remote_code))}
    if recipe.shows_video:
        pixels = recipe.video.max_pixels
        env |= dict.fromkeys(FRAMES, str(recipe.video.frames))
        # MiniCPM-V: no frame is cut into slices; Qwen-VL: those that are larger are scaled down
        env |= {"VIDEO_MAX_SLICE_NUMS": "1", "VIDEO_MAX_PIXELS": str(pixels)}
        env["VIDEO_MIN_PIXELS"] = str(min(pixels, MIN_PIXELS))
    if recipe.hears:
        env |= {"USE_AUDIO_IN_VIDEO": str(int(recipe.shows_video)), "SAMPLING_RATE": str(RATE)}
    return env | programs.process_environment(recipe, device)
