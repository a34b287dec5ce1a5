"""The texts of answers that begin with a thought: what marks its beginning and its end must be seen in them.

Some templates mark them with special tokens, which decoding leaves out. Texts have ``<think>`` and ``</think>`` in
their place. Standard library only, Python 3.10.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

BEGIN, END = "<think>", "</think>"


def begun(text: str, marks: Collection[str]) -> str:
    """A text that ends where there was no more room: without a mark it is a thought that the prompt began, or that a
    model begins without saying so.
    """
    return text if any(mark in text for mark in marks) else BEGIN + text


class Thoughts:
    """Decodes what a model generated.

    Args:
        tokenizer: the model's.
        words: what begins and what ends a thought in its chat template; ``None``: it has no place for one.
    """

    def __init__(self, tokenizer: Any, words: Sequence[str] | None) -> None:
        self._tokenizer = tokenizer
        self._marks = {BEGIN, END, *(word.strip() for word in words)} if words else set()
        special = set(tokenizer.all_special_ids)
        self._hidden: list[tuple[list[int], str]] = []
        for word, shown in zip(words, (BEGIN, END), strict=True) if words else ():
            ids = tokenizer.encode(word.strip(), add_special_tokens=False)
            if special & set(ids):
                self._hidden.append((ids, shown))

    def texts(self, output: Sequence[list[int]]) -> list[str]:
        """The texts of token ids, without special tokens but with all that marks a thought."""
        if not self._hidden:
            found: list[str] = self._tokenizer.batch_decode(output, skip_special_tokens=True)
            return found
        return [self._text(ids) for ids in output]

    def begun(self, text: str) -> str:
        """See `begun`; as it is, where there are no thoughts."""
        return begun(text, self._marks) if self._marks else text

    def _text(self, ids: list[int]) -> str:
        parts, start, at = [], 0, 0
        while at < len(ids):
            marks = [(word, shown) for word, shown in self._hidden if ids[at : at + len(word)] == word]
            if not marks:
                at += 1
                continue
            word, shown = marks[0]
            parts += [self._plain(ids[start:at]), shown]
            start = at = at + len(word)
        return "".join([*parts, self._plain(ids[start:])])

    def _plain(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
