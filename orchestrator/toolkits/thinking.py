"""What a toolkit's chat templates have to do with thoughts: its file ``thinking.yaml``, and what asks for it.

A toolkit that knows nothing of thoughts has neither the file nor an attribute ``thinks``: `model.thinking: on` is
refused. One whose trainings depend on more than a recipe and its programs say has a method ``form``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Engine, Part

FILE = "thinking.yaml"


class Templates(Section):
    """A toolkit's file; what the parts are for is said there.

    Attributes:
        think: templates with a place for thoughts.
        think_types: model types of which a template is one of these.
        mixed_types: those of them of which another template is none, and the templates that think.
        formed: templates that are trained in a form of ours.
        formed_types: model types whose only template is one of these.
        picked_types: model types with several templates, of which the toolkit picks one by the name of the model.
        formed_names: regular expressions for the names for which it picks one of those in our form.
        always: templates that open a thought whatever they are told.
        refused: templates, or model types, and why they are refused.
    """

    think: tuple[str, ...]
    think_types: tuple[str, ...] = ()
    mixed_types: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    formed: tuple[str, ...] = ()
    formed_types: tuple[str, ...] = ()
    picked_types: tuple[str, ...] = ()
    formed_names: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    refused: dict[str, str] = Field(default_factory=dict)


@cache
def templates_of(toolkit: Path) -> Templates:
    """What the file in a toolkit's folder says."""
    return load(toolkit / FILE, Templates, "a file of chat templates")


def thinks(engine: Engine) -> bool:
    """Whether a toolkit can have a model think before it answers."""
    return bool(getattr(engine, "thinks", False))


def form_of(part: Part, recipe: Recipe) -> Mapping[str, Any]:
    """What a training depends on besides what the recipe and the programs say; most depend on nothing more."""
    form = getattr(part, "form", None)
    return form(recipe) if form else {}


def no_thoughts(template: str, able: str) -> str:
    """Why a model with such a template cannot think."""
    return (
        f"model.thinking: the chat template `{template}` has no place for thoughts: write thinking: off, or take "
        f"the template of a model that thinks ({able})"
    )
