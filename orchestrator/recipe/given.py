"""What of a recipe is not as it is by default: what keys and digests are made of.

So a new setting, which nobody uses yet, changes nobody's key. A setting whose default changes later would compute
something else under the same key; therefore `FORMER` keeps the defaults at which settings are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from pydantic import BaseModel

# "Section.field" -> the default that it had first, entered when a default changes: the new one is then told like any
# value and gets a new key, and who wrote the old one out keeps theirs. tests/recipe/defaults.txt is what is compared.
FORMER: dict[str, Any] = {}


def usual(section: type[BaseModel], name: str) -> Any:
    """The value of a field at which it is left out; a required one has none (``...``)."""
    default = _default(section, name)
    return FORMER.get(f"{section.__name__}.{name}", default) if FORMER else default


@cache
def _default(section: type[BaseModel], name: str) -> Any:
    field = section.model_fields[name]
    return ... if field.is_required() else field.get_default(call_default_factory=True)


def given(section: BaseModel | None, leave_out: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a section, and of those in it, that are not at their default, as JSON values.

    Args:
        section: of a recipe; of ``None`` there are no settings.
        leave_out: fields that do not matter, also of sections in it: ``inference.batch_size``.
    """
    if section is None:
        return {}
    kind, found = type(section), {}
    plain = []
    for name, field in kind.model_fields.items():
        if name in leave_out or field.exclude:
            continue
        value, default = getattr(section, name), usual(kind, name)
        if isinstance(value, BaseModel):
            within = given(value, [one.partition(".")[2] for one in leave_out if one.startswith(f"{name}.")])
            # written out with nothing but defaults it is as good as left out, if that is what it is without
            if within or not isinstance(default, BaseModel):
                found[name] = within
        elif default is ... or value != default:
            plain.append(name)
    return found | section.model_dump(mode="json", include=set(plain)) if plain else found
