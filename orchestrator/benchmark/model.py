"""Models: what a recipe says of one, and the catalogue of those that it can name, ``models.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from orchestrator.checked_yaml.files import Entries, load_entries
from orchestrator.checked_yaml.section import Section, refuse
from orchestrator.errors import Problem, unknown


class RandomInit(Section):
    """A model made from scratch with random weights, its tokenizer trained on the recipe's training texts."""

    config: dict[str, JsonValue] = Field(description="transformers configuration; must hold `model_type`")
    vocab_size: int = Field(3000, ge=300, description="tokens of the tokenizer that is trained")

    @field_validator("config")
    @classmethod
    def _has_type(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if not isinstance(value.get("model_type"), str):
            raise refuse("", "the configuration holds no `model_type`", "add for example `model_type: qwen2`")
        return value


class Prices(Section):
    """What the tokens of a hosted model cost, and how many a picture is; in USD for a million."""

    input: float = Field(ge=0, description="of a prompt")
    output: float = Field(ge=0, description="of an answer")
    cached_input: float | None = Field(None, ge=0, description="of what the server had seen of a prompt before")
    picture_tokens: int = Field(85, ge=0, description="tokens of any picture (85: GPT-4o's)")
    tile_tokens: int = Field(170, ge=0, description="tokens of each tile of 512 x 512 pixels of a picture")


class ModelSpec(Section):
    """The model: what it is called, where its weights come from, which toolkit runs it."""

    name: str = Field(min_length=1, description="as published, and as the results show it")
    path: str | None = Field(None, min_length=1, description="hub id, or a folder that holds the model")
    revision: str | None = Field(None, min_length=1, description="hub commit, tag or branch")
    toolkit: str = Field(description="the toolkit that trains and runs it")
    template: str | None = Field(None, description="the toolkit's name for the chat template, e.g. qwen")
    type: Literal["LLM", "MLLM"] = Field(description="LLM reads text, MLLM reads text and video")
    params_b: float | None = Field(None, gt=0, description="parameters, in billions")
    gpus: int = Field(1, ge=0, description="GPUs that inference with this model needs (0: it is hosted)")
    trust_remote_code: bool = Field(False, description="run the Python code that comes with the weights")
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        "auto", description="attention implementation (auto: the toolkit's choice, without packages of its own)"
    )
    parts: dict[str, str] = Field(
        default_factory=dict, description="other weights that the toolkit asks for, by role: hub ids or local paths"
    )
    prices: Prices | None = Field(None, description="of a hosted model's tokens, for estimates and `max_cost`")
    init: RandomInit | None = Field(None, description="make the model from scratch, in place of `path`")

    @model_validator(mode="after")
    def _one_source(self) -> ModelSpec:
        if self.path and self.init:
            raise refuse("path", "both `path` and `init` are given", "keep the one the model comes from")
        if not self.path and not self.init:
            raise refuse("", "neither `path` nor `init` is given", "set `path` to a hub id or a model folder")
        return self


class CatalogueModel(ModelSpec):
    """An entry of the catalogue; ``benchmark``: whose authors trained and asked this model, and published how."""

    benchmark: Literal["mmla"] | None = None

    def spec(self) -> dict[str, Any]:
        """What a recipe that names it says by that."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"benchmark"})


@cache
def catalogue() -> Entries[CatalogueModel]:
    """The model catalogue, ``models.yaml``: each entry checked at its own place."""
    return load_entries(Path(__file__).with_name("models.yaml"), CatalogueModel, "a file of models")


def models() -> dict[str, CatalogueModel]:
    """The models of the catalogue by name, without the entries that `model_problems` is about."""
    return catalogue().found


def model_problems() -> list[Problem]:
    """What is wrong with the catalogue: it stops what needs those models and nothing else."""
    return catalogue().problems


def unknown_model(name: str, where: str) -> list[Problem]:
    """Why a name is not that of a model: none has it, its entry is wrong, or the whole file is."""
    wrong = catalogue().wrong
    if name in wrong:
        return [Problem(f"the model `{name}` cannot be used: what defines it is wrong", where), *wrong[name]]
    return [unknown("model", name, models(), where), *wrong.get(None, [])]
