"""`model.thinking`: whether a model writes down its thoughts before its answer, in training and inference alike."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema

OFF: Final = "off"
ON: Final = "on"
# YAML 1.1, which editors and other programs speak, takes on, off, yes and no for true and false
_SPELLINGS = {True: ON, False: OFF, "yes": ON, "no": OFF, "true": ON, "false": OFF}


def _spelt(value: Any) -> Any:
    """A value by its usual name; what is no spelling of it stays, for the check to refuse."""
    if isinstance(value, str):
        value = value.lower()
    return _SPELLINGS.get(value, value) if isinstance(value, str | bool) else value


Thinking = Annotated[
    Literal["off", "on"],
    BeforeValidator(_spelt),
    WithJsonSchema({"enum": [OFF, ON, False, True]}),
]
