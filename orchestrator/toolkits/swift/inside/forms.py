"""How ms-swift's chat templates end a prompt, made the same in training and in inference, whatever the template.

Three of ms-swift 4.6's habits are changed, of which each gives a model prompts in inference that it has not seen in
training. A template whose models always think opens the thought in inference alone (``<think>\\n``). Some write today's
date into every prompt. And those of GLM-4 leave out the line break before an answer in inference.

Here what an answer follows is what the template itself puts there in inference, in training, too, and no loss is
computed on it. With thinking off it is the template's own empty thought, and where it has none one of its words, as
``<think>\\n\\n</think>\\n\\n``. With thinking on it is what opens a thought, if anything; trained answers, which hold
no thoughts, then begin with an empty one. The date is that of Meta's own template of Llama 3.2.
"""

from __future__ import annotations

import copy
import datetime as dates
import functools
import os
import re
import sys
from types import SimpleNamespace
from typing import Any, Optional

DAY = dates.date(2024, 7, 26)
STYLES = ("%d %b %Y", "%Y-%m-%d")  # in which templates write the date
EMPTY = "<think>\n\n</think>\n\n"
_mode = {"thinking": "off"}


class Fixed(dates.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Optional[dates.tzinfo] = None) -> Fixed:
        """The beginning of the day."""
        return cls(DAY.year, DAY.month, DAY.day, tzinfo=tz)

    @classmethod
    def today(cls) -> Fixed:
        """The same."""
        return cls.now()


def can_think(meta: Any) -> bool:
    """Whether a template has a place for thoughts."""
    return bool(meta.is_thinking or meta.thinking_prefix or meta.non_thinking_prefix)


def empty_thought(meta: Any) -> str:
    """A thought that is over, in a template's words."""
    begin, over = str(meta.thinking_prefix), str(meta.non_thinking_prefix)
    if over:
        return begin + over if over.startswith("</") else over
    tag = re.search(r"<([\w:]+)>", begin)
    if not tag:
        return EMPTY
    return f"{begin}\n</{tag[1]}>\n\n" if begin.endswith("\n") else f"{begin}</{tag[1]}>"


def shaped(meta: Any, thinking: str) -> Any:
    """A template's description whose prompts end, with thinking off, with a thought that is over.

    Raises:
        ValueError: thinking is on, and the template has no place for thoughts.
    """
    if thinking == "on" and not can_think(meta):
        name = meta.template_type
        raise ValueError(f"the chat template {name} has no place for thoughts: write model.thinking: off")
    if thinking == "off" and meta.is_thinking and not meta.non_thinking_prefix:
        meta = copy.deepcopy(meta)
        meta.non_thinking_prefix = empty_thought(meta)
    return meta


def install(thinking: str) -> None:
    """Put it in place, before any template is made; another call changes whether models think."""
    import swift.template.templates as templates
    from swift.template import Template
    from swift.template.templates.glm import GLM4Template

    _mode["thinking"] = thinking
    # what two templates look at, whatever they are told
    os.environ |= {"ENABLE_THINKING": str(thinking == "on"), "THINKING_MODE": _thinking_mode(thinking)}
    if hasattr(Template.__init__, "shaped"):
        return
    Template.__init__ = _init(Template.__init__)
    Template._swift_encode = _encode(Template._swift_encode)
    GLM4Template.strip_newline = False
    fix_dates(templates.__name__)


def _thinking_mode(thinking: str) -> str:
    return "enabled" if thinking == "on" else "disabled"


def _init(init: Any) -> Any:
    @functools.wraps(init)
    def made(self: Any, processor: Any, template_meta: Any, *given: Any, **more: Any) -> None:
        meta = shaped(template_meta, _mode["thinking"])
        more["enable_thinking"] = _mode["thinking"] == "on"
        init(self, processor, meta, *given, **more)
        prefix = meta.thinking_prefix
        if _mode["thinking"] == "off" and prefix and self._get_response_prefix() == prefix:
            name = meta.template_type
            raise ValueError(f"the chat template {name} always opens a thought: write model.thinking: on")

    made.shaped = True  # type: ignore[attr-defined]
    return made


def _encode(encode: Any) -> Any:
    @functools.wraps(encode)
    def encoded(self: Any, inputs: Any) -> Any:
        self.add_non_thinking_prefix = not self.is_training
        if self.is_training and self.use_chat_template:
            begin(self, inputs)
        return encode(self, inputs)

    return encoded


def begin(template: Any, inputs: Any) -> None:
    """Put before the last answer what it follows in inference, without loss, and then what of a thought is left."""
    message, prefix = inputs.messages[-1], template._get_response_prefix(inputs) or ""
    answer = message["content"]
    if not isinstance(answer, str):
        return
    if _mode["thinking"] == "on":
        answer = empty_thought(template.template_meta).removeprefix(prefix) + answer
    message["content"] = answer
    if prefix:  # swift takes the parts of an answer one by one, each with a loss or without
        message["content"], message["loss"] = [prefix, answer], [False, None]


def fix_dates(package: str) -> None:
    """Have a package's templates write the fixed date: those that look at the clock, and those that have done so."""
    from swift.template import TEMPLATE_MAPPING

    for name, module in list(sys.modules.items()):
        if not name.startswith(package):
            continue
        for key, value in list(vars(module).items()):
            if value is dates.datetime:
                setattr(module, key, Fixed)
            elif value is dates:
                setattr(module, key, SimpleNamespace(datetime=Fixed, timedelta=dates.timedelta))
    days = [dates.date.today() - dates.timedelta(days=ago) for ago in (0, 1)]  # it may be past midnight since
    written = {day.strftime(style): DAY.strftime(style) for day in days for style in STYLES}
    for meta in TEMPLATE_MAPPING.values():
        for key in ("prefix", "system_prefix", "prompt", "chat_sep", "suffix", "default_system"):
            setattr(meta, key, _dated(getattr(meta, key), written))


def _dated(part: Any, written: dict[str, str]) -> Any:
    """A part of a template with other dates."""
    if isinstance(part, list):
        return [_dated(one, written) for one in part]
    for old, new in written.items() if isinstance(part, str) else ():
        part = part.replace(old, new)
    return part
