"""ms-swift's types of models and chat templates, and which of them take a video or a sound: each is given one.

A template class replaces ``<video>`` and ``<audio>`` in a method, ``replace_tag``, which refuses what the model does
not take. The one that it inherits refuses nothing, so a class must also read the clips somewhere.
"""

from __future__ import annotations

import inspect
import re
import traceback
from typing import Any
from unittest.mock import MagicMock

from orchestrator.inside.offers import made_with, reports, write

# what a class has in its code that does something with such clips
READS = {"video": ("videos", "replace_video2image"), "audio": ("audios",)}


def reads(kind: type, base: type, medium: str) -> bool:
    """Whether a template class has code of its own for clips of that kind."""
    own = [one for one in kind.__mro__ if issubclass(one, base) and one is not base]
    return any(word in inspect.getsource(one) for one in own for word in READS[medium])


def takes(kind: type, base: type, medium: str) -> tuple[bool, str]:
    """Whether a template class takes a clip of that kind, and the module that it lacks for that."""
    if not reads(kind, base, medium):
        return False, ""
    # has all that a template can have, so that nothing but its own answer counts
    stand_in = type(
        "StandIn", (kind,), {"__init__": lambda _: None, "__getattr__": lambda _, name: MagicMock(name=name)}
    )
    template = stand_in()
    template.mode = "transformers"
    inputs = MagicMock(images=[], videos=["clip.mp4"], audios=["clip.mp4"])
    try:
        return template.replace_tag(medium, 0, inputs) is not None, ""
    except ModuleNotFoundError as error:
        return True, (error.name or "").partition(".")[0]
    except Exception as error:  # the clip is none, and is missed where it is looked for: that is to take it
        return traceback.extract_tb(error.__traceback__)[-1].name != "replace_tag", ""


def unmet(requirement: str) -> bool:
    """Whether the environment lacks a package, or has one that is too old.

    Of one that is newer than what was tried, swift itself no more than warns, and many work.
    """
    from transformers.utils.versions import require_version

    name = re.split(r"[<>=!~ ]", requirement, maxsplit=1)[0]
    if "<" in requirement or "==" in requirement:
        requirement = name
    try:
        require_version(requirement)
    except ImportError:  # what it raises for another version, too
        return True
    return False


def lacks(meta: Any) -> list[str]:
    """The packages without which no model of a type runs."""
    groups = [list(group.requires or ()) for group in meta.model_groups]
    shared = set.intersection(*map(set, groups)) if groups else set()
    return sorted({one for one in (*meta.requires, *shared) if unmet(one)})


def table() -> dict[str, Any]:
    """All of it."""
    from swift.model import MODEL_MAPPING
    from swift.template import TEMPLATE_MAPPING, Template

    found = {
        medium: {name: takes(meta.template_cls, Template, medium) for name, meta in sorted(TEMPLATE_MAPPING.items())}
        for medium in READS
    }
    kinds = {name: meta for name, meta in sorted(MODEL_MAPPING.items()) if name}
    return {
        "made_with": made_with("ms-swift"),
        "model_type": sorted(kinds),
        "template": sorted(TEMPLATE_MAPPING),
        **{medium: [name for name, (taken, _) in of.items() if taken] for medium, of in found.items()},
        # by type of the models that take more than text: their templates
        "media": {name: sorted(meta.candidate_templates) for name, meta in kinds.items() if meta.is_multimodal},
        # by type: packages in other versions than they need
        "lacks": {name: short for name, meta in kinds.items() if (short := lacks(meta))},
        # by template: modules that are not there
        "video_lacks": {name: [module] for name, (_, module) in found["video"].items() if module},
        "report_to": reports(),
    }


def main() -> None:
    """Write it."""
    write(table())
