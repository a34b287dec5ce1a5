"""The section ``it`` of a recipe: what the training mix of instruction tuning leaves out."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from orchestrator.checked_yaml.section import Section, refuse
from orchestrator.data.same_text import CHARACTERS, WORDS, LongEnough


class InstructionTuning(Section):
    """Method `it`: one adapter for all tasks."""

    exclude_leaks: bool | Literal["ids", "text"] = Field(
        False,
        description="train without the utterances that any of the tasks holds out (dev and test). ids, or true: the "
        "same by their id, in data sets of one source; text: also those of other data sets with the same text",
    )
    leak_words: int = Field(WORDS, ge=1, description="`text`: the least words of a text that counts")
    leak_characters: int = Field(CHARACTERS, ge=1, description="`text`: its least characters in Chinese or Japanese")

    @field_validator("exclude_leaks", mode="before")
    @classmethod
    def _known_choice(cls, value: Any) -> Any:
        if not isinstance(value, bool) and value not in ("ids", "text"):
            raise refuse("", "must be false, ids or text", "true is ids")
        return True if value == "ids" else value  # one value, and one key

    @property
    def leak_texts(self) -> LongEnough | None:
        """Which equal texts are leaks; ``None``: none is."""
        return LongEnough(self.leak_words, self.leak_characters) if self.exclude_leaks == "text" else None
