"""What a toolkit and its tokenizers would act on inside an utterance is made harmless, alike in training and inference:
a space after each ``<`` that would begin a media placeholder or a control token.
"""

from __future__ import annotations

import re
from collections.abc import Callable


def neutraliser(reserved: str) -> Callable[[str], str]:
    """The function that does it for a toolkit; ``reserved``: a pattern of what follows the ``<``."""
    start = re.compile(f"<(?={reserved})")

    def neutralise(text: str) -> str:
        return start.sub("< ", text)

    return neutralise
