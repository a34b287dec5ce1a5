"""How many tokens a video becomes, by the family, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.registry import trainer
from orchestrator.toolkits.video_tokens import families_of, family_of, length_problems


def recipe_of(folder: Path, toolkit: str, template: str, *sets: str) -> Recipe:
    path = folder / "recipe.yaml"
    model = f"{{name: M, path: some/id, toolkit: {toolkit}, template: {template}, type: MLLM}}"
    path.write_text(f"method: sft\ntasks: [MELD]\nmodel: {model}\ndata: {{modality: video, root: {folder}}}\n")
    return load_recipe(path, list(sets))


@pytest.mark.parametrize(
    ("toolkit", "template", "frames", "tokens"),
    [
        ("llamafactory", "qwen2_vl", 4, 2 * 192),  # 151200 pixels are 192 tokens of 28 x 28
        ("llamafactory", "qwen2_vl", 5, 3 * 192),  # a frame alone is shown twice
        ("llamafactory", "qwen3_vl_nothink", 4, 2 * (147 + 10)),  # of 32 x 32, and their time
        ("llamafactory", "intern_vl", 4, 4 * 264),
        ("llamafactory", "gemma4", 4, 4 * 78),
        ("swift", "qwen2_5_vl/qwen2_5_vl", 4, 2 * 192),
        ("swift", "qwen3_vl", 4, 2 * 157),
        ("swift", "minicpmv2_6", 4, 4 * 67),
    ],
)
def test_by_the_family(tmp_path: Path, toolkit: str, template: str, frames: int, tokens: int) -> None:
    """One token too few, and it is told; with that one it is not."""
    room = tokens + 128
    part = trainer(toolkit)
    sets = (f"video.frames={frames}", "video.max_pixels=151200", "model.trust_remote_code=true")

    def said(length: int) -> list[str]:
        found = part.problems(recipe_of(tmp_path, toolkit, template, *sets, f"train.max_length={length}"))
        return [one for one in found if "tokens" in one]

    assert said(room) == []
    (problem,) = said(room - 1)
    assert problem.startswith(f"{frames} frames")
    assert f"up to {tokens} tokens, and words want 128 at least, but train.max_length is {room - 1}" in problem
    assert ("video.max_pixels" in problem) == template.startswith("qwen")


def test_what_training_is_shown_counts(tmp_path: Path) -> None:
    shown = "video.training={fps: 2, frames: 64, max_pixels: 151200}"
    recipe = recipe_of(tmp_path, "llamafactory", "qwen2_vl", "train.max_length=1024", shown)
    assert any(one.startswith("64 frames of up to 151200 pixels") for one in trainer("llamafactory").problems(recipe))


def test_of_an_unknown_family_nothing_is_said(tmp_path: Path) -> None:
    """Its samples are measured before a training."""
    folder = Path(trainer("llamafactory").inside).parent
    recipe = recipe_of(tmp_path, "llamafactory", "glm4v", "video.frames=1000")
    assert length_problems(recipe, family_of(recipe, folder)) == []


@pytest.mark.parametrize("of", ["{templates: [a]}", "{templates: [a], pixels: 9, tokens: 9}"])
def test_a_family_has_pixels_or_tokens(tmp_path: Path, of: str) -> None:
    (tmp_path / "video_tokens.yaml").write_text(f"- {of}\n")
    with pytest.raises(InputError, match="give either pixels"):
        families_of(tmp_path)
