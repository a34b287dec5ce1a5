"""What the sections of checked files share: strict pydantic models, and errors of our own placed at their fields."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

Fields = tuple[tuple[str | int, ...], ...]
REFUSED = "refused"  # what pydantic calls the errors of `refuse`


def refuse(field: str | Fields, message: str, hint: str = "") -> PydanticCustomError:
    """An error of our own, placed at ``field``: dotted, from the model that checks.

    Several fields, as paths or with spaces between: the first that the file holds, the first of all if none.
    """
    paths = tuple(tuple(name.split(".")) for name in field.split()) if isinstance(field, str) else field
    return PydanticCustomError(REFUSED, "{message}", {"message": message, "fields": paths, "hint": hint})


Path_ = TypeVar("Path_", str, str | None)


def expand_home(value: Path_) -> Path_:
    """A path with a leading ``~`` expanded: the shell does not do so behind ``--set key=``."""
    return str(Path(value).expanduser()) if value and value.startswith("~") else value


class Section(BaseModel):
    """A section of a checked file: unknown keys are errors, values do not change."""

    # built when it is first read: most stand in another, and a command reads few
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
