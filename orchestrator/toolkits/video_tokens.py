"""About how many tokens a video becomes, by the family's own arithmetic: told before anything is loaded.

A toolkit's ``video_tokens.yaml`` says it for the families that are known; what samples really are is measured before a
training starts (`Trainer.lengths`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import Field, model_validator

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section
from orchestrator.recipe.recipe import Recipe

ROOM = 128  # tokens of the shortest prompts with their answers


class Family(Section):
    """How models of a family turn frames into tokens.

    Attributes:
        templates: how the names of its templates (of its model types) begin.
        frames: how many frames are taken together.
        pixels: pixels a token of frames that are taken together; 0 where their size does not matter.
        tokens: tokens of frames that are taken together, where their size does not matter.
        more: further tokens with these: their time, marks around them.
    """

    templates: tuple[str, ...]
    frames: int = Field(default=1, ge=1)
    pixels: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)
    more: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_of_both(self) -> Family:
        if bool(self.pixels) == bool(self.tokens):
            raise ValueError("give either pixels (a token) or tokens (of frames taken together)")
        return self

    def of(self, frames: int, max_pixels: int) -> int:
        """Tokens of a video of so many frames of up to so many pixels."""
        each = max_pixels // self.pixels if self.pixels else self.tokens
        return -(-frames // self.frames) * (each + self.more)


@cache
def families_of(toolkit: Path) -> Sequence[Family]:
    """The families that the toolkit in a folder tells of."""
    return load(toolkit / "video_tokens.yaml", tuple[Family, ...], "a file of families")


def family_of(recipe: Recipe, toolkit: Path) -> Family | None:
    """The family of a recipe's model, if it is known."""
    template = recipe.model.template or ""
    known = families_of(toolkit)
    return next((one for one in known if template.startswith(one.templates)), None)


def length_problems(recipe: Recipe, family: Family | None) -> list[str]:
    """Whether a video leaves no room for the words of a sample in training."""
    train = recipe.train
    if family is None or train is None:
        return []
    seen = recipe.video.training or recipe.video
    tokens = family.of(seen.frames, seen.max_pixels)
    if tokens + ROOM <= train.max_length:
        return []
    size, lower = (f" of up to {seen.max_pixels} pixels", " or video.max_pixels") if family.pixels else ("", "")
    return [
        f"{seen.frames} frames{size} are up to {tokens} tokens, and words want {ROOM} at least, but train.max_length "
        f"is {train.max_length}: raise it, or lower video.frames{lower}"
    ]
