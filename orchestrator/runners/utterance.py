"""What a toolkit and its tokenizers would act on inside an utterance is made harmless, alike in training and inference:
a space after each ``<`` that would begin a media placeholder or a control token.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# what follows the `<`, by toolkit: media placeholders are counted and replaced wherever they stand, `<|im_end|>` and
# `</s>` may be control tokens; swift also acts on </slice> and the like
RESERVED = {
    "llamafactory": r"(?:image|video|audio)>|\||/?s>",
    "llava_next": r"image>|\|",
    "swift": r"\||/?[A-Za-z_-]+>",
    "videollama2": r"(?:image|video|audio|unk)>|\||/?s>",
}


def neutraliser(toolkit: str) -> Callable[[str], str]:
    """The function that does it for a toolkit."""
    reserved = re.compile(f"<(?={RESERVED[toolkit]})")

    def neutralise(text: str) -> str:
        return reserved.sub("< ", text)

    return neutralise
