"""What a file says of a task: an entry of a benchmark's file, or the ``task.yaml`` in a data set's own folder."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from orchestrator.checked_yaml.section import Section, refuse

# what scores and reports call answers without a label: a label of this name could not be told apart
RESERVED_LABELS = ("unknown", "multi", "empty", "error", "cut_off")
# what recipes and results call something else
RESERVED_NAMES = ("all", "overall")
_DIALOGUE = "of ids like `s01_e02_17` the first two parts: `'^(.*)_'`"
NAME = re.compile(r"\w[\w.+-]{0,99}")


def _label(value: str) -> str:
    if not value.strip():
        raise refuse("", "an empty label")
    if value != value.strip() or "\n" in value:
        raise refuse("", "spaces around a label, or a line break in it", f"write `{' '.join(value.split())}`")
    if ":" in value:
        raise refuse("", "a label with a colon", "in answers, a label stands behind the colon: leave it out")
    if value.lower() in RESERVED_LABELS:
        raise refuse("", f"the label `{value}` is reserved: scores call answers without a label so", "choose another")
    return value


def name_problem(name: str) -> tuple[str, str] | None:
    """What is wrong with a task's name, which folders and rows of results bear, and what to do about it."""
    if not NAME.fullmatch(name):
        return f"`{name}` cannot be a task's name", "letters, digits and . _ - + only, for it names folders"
    if name.lower() in RESERVED_NAMES:
        return f"`{name}` cannot be a task's name: it means several tasks", "choose another"
    return None


def _within(label: str, text: str) -> bool:
    """Whether the scoring rule would find a label in a text (see `scores.answers`, of which this is a part)."""
    label, text = label.lower(), text.lower()
    return label in text and re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text) is not None


class Sizes(Section):
    """The number of published samples of each split."""

    train: int | None = Field(None, ge=1)
    dev: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)


class Described(Section):
    """What either file may say."""

    labels: tuple[Annotated[str, AfterValidator(_label)], ...] = Field(min_length=1)
    language: str = Field(min_length=1)
    dimension: str = Field("category", min_length=1)
    word: str | None = Field(None, min_length=1)
    dataset: str | None = Field(None, min_length=1)
    licence: str = ""
    video: bool = False
    sizes: Sizes = Sizes()
    dialogue: str | None = None

    @property
    def default_word(self) -> str:
        """The dimension as a prompt spells it, where nothing else is said."""
        return self.dimension.replace("_", " ")

    @field_validator("dialogue")
    @classmethod
    def _names_a_dialogue(cls, value: str | None) -> str | None:
        try:
            groups = re.compile(value).groups if value is not None else 1
        except (re.error, OverflowError, RecursionError) as error:
            raise refuse("", f"not a regular expression: {error}", _DIALOGUE) from error
        if not groups:
            raise refuse("", "no part of it is in brackets: which part of an id names the dialogue?", _DIALOGUE)
        return value

    @field_validator("labels")
    @classmethod
    def _can_be_told_apart(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lower = [label.lower() for label in value]
        if twice := next((label for label in value if lower.count(label.lower()) > 1), None):
            raise refuse("", f"the label `{twice}` is there twice (letter case is ignored)", "remove one")
        # answers are searched for every label
        if pair := next((pair for pair in permutations(value, 2) if _within(*pair)), None):
            hint = f"an answer `{pair[1]}` names both: call one of them otherwise"
            raise refuse("", f"the label `{pair[0]}` stands in `{pair[1]}`", hint)
        return value

    @model_validator(mode="after")
    def _word_is_no_label(self) -> Described:
        word = self.word or self.default_word
        if found := next((label for label in self.labels if _within(label, word)), None):
            message = f"the label `{found}` stands in `{word}`, with which every answer begins (`{word}: {found}`)"
            raise refuse("word dimension labels", message, "give another `word`, or call the label otherwise")
        return self


class Entry(Described):
    """A task of a benchmark, by its name in ``benchmark/tasks/<benchmark>.yaml``."""

    dimension: str = Field(min_length=1)
    sizes: Sizes
    folders: tuple[str, ...] | None = Field(None, min_length=1)


class OwnTask(Described):
    """A task that somebody adds: ``<data.root>/<folder>/task.yaml``, for which labels and language are enough.

    Its prompt then asks: *what is the category of this speaker?*
    """

    name: str | None = None

    @field_validator("name")
    @classmethod
    def _can_name(cls, value: str | None) -> str | None:
        if value is not None and (wrong := name_problem(value)):
            raise refuse("", *wrong)
        return value
