"""What of a recipe VideoLLaMA2 cannot do."""

from __future__ import annotations

from pathlib import Path

from orchestrator.environments.environment import Environment
from orchestrator.prompts.examples import system_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.reporting import single_problems
from orchestrator.toolkits.settings import attention_problems, parts_problems, training_problems
from orchestrator.toolkits.videollama2.arguments import train_arguments
from orchestrator.toolkits.whole import file_problem

MOST_FRAMES = 32  # constants.MAX_FRAMES: of more, the last would be left out
# what fine-tuning starts from, and the weights that the benchmark used
ROLES = {
    "llm": "mistralai/Mistral-7B-Instruct-v0.2",
    "vision_tower": "openai/clip-vit-large-patch14-336",
    "projector": "DAMO-NLP-SG/VideoLLaMA2-7B-Base",
}
HERE = Path(__file__).parent


def recipe_problems(recipe: Recipe, environment: Environment) -> list[str]:
    """All of them, those of training too."""
    return model_problems(recipe, environment) + (_training(recipe, environment) if recipe.train else [])


def model_problems(recipe: Recipe, environment: Environment) -> list[str]:
    """Those of the model and of inference, in words for the user."""
    model = recipe.model
    found = []
    if model.init is not None:
        found.append("VideoLLaMA2 makes no model from scratch: give model.path")
    if model.template not in (None, "videollama2"):
        found.append(f"model.template: `{model.template}` is unknown to VideoLLaMA2; leave it out")
    if model.gpus > 1:
        found.append("model.gpus: VideoLLaMA2 answers on one GPU (two processes do not share a model here)")
    if recipe.shows_video and recipe.video.frames > MOST_FRAMES:
        found.append(
            f"video.frames: VideoLLaMA2 takes {MOST_FRAMES} at most and would drop the end of the clip (it was made "
            "with 8)"
        )
    found += attention_problems(recipe, environment, "flash-attn==2.5.8")
    return found + _parts(recipe)


def _parts(recipe: Recipe) -> list[str]:
    parts = recipe.model.parts
    found = parts_problems(parts, tuple(ROLES), "VideoLLaMA2")
    missing = [role for role in ROLES if role not in parts]
    if recipe.train and missing:
        example = ", ".join(f"{role}: {ROLES[role]}" for role in missing)
        found.append(
            f"fine-tuning VideoLLaMA2 starts from other weights than the finished model in model.path, and model.parts "
            f"lacks {', '.join(missing)}: add for example model: {{parts: {{{example}}}}}"
        )
    path = Path(parts.get("projector", "")).expanduser()
    if "projector" in parts and path.exists():
        file = path / "mm_projector.bin" if path.is_dir() else path
        if not file.is_file():
            found.append(f"model.parts.projector: no mm_projector.bin in {path}")
        elif problem := file_problem(file):
            found.append(f"model.parts.projector: {problem} ({path}): get it again")
    tower = parts.get("vision_tower", "clip")
    if "clip" not in tower and "siglip" not in tower:
        found.append(
            f"model.parts.vision_tower: VideoLLaMA2 tells the kind of tower from its name, and `{tower}` holds neither "
            "clip nor siglip: rename the folder"
        )
    return found


def _training(recipe: Recipe, environment: Environment) -> list[str]:
    train = recipe.training
    found = []
    if system_of(recipe, training=True) is not None:
        found.append(
            "prompt.system: VideoLLaMA2's training data has no system message; put the text into the prompt template"
        )
    if recipe.select.strategy == "best_eval":
        found.append(
            "select.strategy: VideoLLaMA2 never evaluates in training, so there is no best_eval: choose last, or "
            "dev_accuracy, with which every checkpoint answers dev"
        )
    if train.finetuning != "lora":
        found.append(f"train.finetuning: VideoLLaMA2 is fine-tuned with lora here, not `{train.finetuning}`")
    if train.lora.target != "all":
        found.append("train.lora.target: VideoLLaMA2 adapts all linear layers of its language model: leave it `all`")
    if train.precision == "fp32":
        found.append("train.precision: VideoLLaMA2 trains in bf16 or fp16 (its vision tower knows nothing else)")
    elif train.precision == "fp16" and recipe.resources.device == "cpu":
        found.append("train.precision: VideoLLaMA2 cannot train in fp16 on a CPU: choose bf16")
    known = recipe.model_copy(update={"model": recipe.model.model_copy(update={"parts": ROLES})})
    owned = train_arguments(known, TrainInputs(model="", data="", device="cpu"), environment)
    found += single_problems(train.report_to)
    return found + training_problems(recipe, owned, environment, HERE)
