"""Which of a toolkit's options `train.extra` may set: those that nothing in a recipe says, and that guard nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section
from orchestrator.errors import did_you_mean, short
from orchestrator.recipe.recipe import Recipe

FILE = Path(__file__).with_suffix(".yaml")


class Refused(Section):
    """Options that are refused for the same reason."""

    why: str
    options: tuple[str, ...]


class Values(Section):
    """Values of an option that is allowed otherwise: those that hold a text, and why they are refused."""

    holds: str
    why: str


class OptionsFile(Section):
    """A file of options; see the shared one.

    Attributes:
        allowed: options that a recipe may set.
        full: allowed where every weight is trained.
        owned: by option the recipe's key that says the same.
        refused: the others.
        values: by option what it may not be set to.
    """

    allowed: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    owned: dict[str, str] = Field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    values: dict[str, Values] = Field(default_factory=dict)

    def verdicts(self) -> dict[str, str]:
        """By option why it is refused; empty where it is not."""
        found = dict.fromkeys(self.allowed, "")
        found |= {name: f"the orchestrator sets `{name}` itself; use {_key(key)}" for name, key in self.owned.items()}
        return found | {name: one.why for one in self.refused for name in one.options}


def _key(key: str) -> str:
    return key if " " in key or "`" in key else f"the recipe's own key {key}"


@cache
def _own(toolkit: Path) -> OptionsFile:
    return load(toolkit / FILE.name, OptionsFile, "its options")


@cache
def verdicts_of(toolkit: Path, *, full: bool = False) -> Mapping[str, str]:
    """What may be said of all options of the toolkit in a folder: why each is refused, empty where it is not.

    Args:
        toolkit: the folder, with its own file, which wins over that of all toolkits.
        full: whether every weight is trained.
    """
    shared, own = load(FILE, OptionsFile, "a file of options"), _own(toolkit)
    return shared.verdicts() | own.verdicts() | (dict.fromkeys(own.full, "") if full else {})


def option_problems(recipe: Recipe, toolkit: Path, owned: Collection[str]) -> Iterator[str]:
    """What is wrong with `train.extra`.

    Args:
        recipe: one that trains.
        toolkit: the folder of its toolkit.
        owned: what the orchestrator sets for this recipe.
    """
    train = recipe.training
    known, values = verdicts_of(toolkit, full=train.finetuning == "full"), _own(toolkit).values
    for name, value in sorted(train.extra.items()):
        at = f"train.extra.{short(name)}"
        if why := known.get(name, ""):
            yield f"{at}: {why}"
        elif name in owned:
            yield f"{at}: the orchestrator sets `{name}` itself; use the recipe's own key"
        elif name not in known:
            yield f"{at}: {_unknown(name, known)}"
        elif wrong := next(_misread(value), ""):
            yield f"{at}: {wrong}"
        elif name in values and values[name].holds in str(value):
            yield f"{at}: {values[name].why}"


def _unknown(name: str, known: Mapping[str, str]) -> str:
    """Why an option that is not in the lists is refused, which may be another spelling of one that is."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    # parsers take dashes, `no_` before a switch, and the beginning of a name
    for start in filter(None, (plain, plain.removeprefix("no_"))):
        meant = [option for option in known if option.lower() == start]
        meant = meant or [option for option in known if len(start) > 3 and option.lower().startswith(start)]
        if meant:
            why = known[meant[0]]
            return f"write `{meant[0]}`, as the toolkit calls it" + (f"; and that is refused: {why}" if why else "")
    near = did_you_mean(name, [option for option, why in known.items() if not why])
    return near or "the toolkit has no such option"


def _misread(value: Any) -> Iterator[str]:
    """Why a value would not be read as one."""
    if isinstance(value, Mapping):
        for part in (*value, *value.values()):
            yield from _misread(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _misread(part)
    elif isinstance(value, str) and (wrong := misread(value)):
        yield wrong


def misread(text: str) -> str:
    """Why a text would be read as something else on a toolkit's command line or in its file; empty where it is not."""
    if text.lstrip().startswith("-") and not _is_number(text):
        return "a value that begins with a dash would be read as another option"
    if "${" in text:
        return "`${` would be filled in from elsewhere"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def value_problems(recipe: Recipe) -> Iterator[str]:
    """Texts of a recipe's other keys that would not be read as such on the command line of a training."""
    train, model = recipe.training, recipe.model
    texts = {"train.scheduler": train.scheduler, "train.lora.target": train.lora.target, "model.path": model.path}
    texts |= {"model.revision": model.revision, "model.template": model.template}
    texts |= {f"model.parts.{role}": part for role, part in model.parts.items()}
    for key, text in texts.items():
        parts = text.split(",") if text and key == "train.lora.target" else [text or ""]
        if wrong := next(filter(None, map(misread, parts)), ""):
            yield f"{key}: {wrong}"
