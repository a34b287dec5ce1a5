"""What of a model's text is its answer, and what is the thought before it: ``<think>...</think> emotion: joy``."""

from __future__ import annotations

import re

MARKS = ("think", "channel")  # without one a text holds no thought: looked for first, as most texts have none
# <think> and </think>, with its neighbours: <thinking>; Seed's <seed:think>; MiniMax's <mm:think>; Hunyuan's
# <think:opensource>; Kimi's ◁think▷; Mistral's [THINK]; the channels of gpt-oss and of Gemma 4
_TAG = re.compile(
    r"(?P<all><\|channel\|>final<\|message\|>)|(?P<end>[<◁]/(?:\w+:)?think(?:ing)?(?::\w+)?[>▷]|\[/think\]|<channel\|>)"
    r"|[<◁](?:\w+:)?think(?:ing)?(?::\w+)?[>▷]|\[think\]|<\|channel\|>analysis<\|message\|>|<\|channel>thought\b",
    re.IGNORECASE,
)


def answer_in(text: str) -> str | None:
    """What follows the thought in a text; the whole text where there is no thought.

    A thought may hold others. It ends where all that were opened are closed, and the answer begins behind the last end.
    An end without a beginning ends a thought all the same: many chat templates write the beginning into the prompt.

    Args:
        text: what a model said.

    Returns:
        ``None`` where a thought has no end: whatever it names, nothing was answered yet.
    """
    depth = end = 0
    for tag in _TAG.finditer(text):
        if tag["all"] or tag["end"]:
            depth, end = 0 if tag["all"] else max(0, depth - 1), tag.end()
        else:
            depth += 1
    return None if depth else text[end:]


def may_think(text: str) -> bool:
    """Whether a text in lower case may hold a thought."""
    return any(mark in text for mark in MARKS)
