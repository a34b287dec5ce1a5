"""From a model's text to a label, or to the reason why there is none: the benchmark's own rule, exactly.

The rule (thuiar/MMLA at 48efd63, ``eval.py``): lower-case the text; a label matches where neither side of it touches
a word character (``(?<!\\w)label(?!\\w)``, Unicode); no label: ``unknown``; several different ones: ``multi``.
Nothing is stripped, stemmed or translated. The release crashes on empty texts and on texts that pandas takes for
a missing value ("None", "nan", "NA"); here these are ordinary texts, and every text has an outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

PARSER_VERSION = "mmla-1"

Outcome = Literal["label", "unknown", "multi", "empty", "error"]


class Answer(NamedTuple):
    """What a model's text says.

    Attributes:
        label: ``None`` unless exactly one matched.
        outcome: ``label``; ``unknown``: text, but no label in it; ``multi``: several labels; ``empty``: nothing, or
            only white space; ``error``: the model gave no answer at all.
    """

    label: str | None
    outcome: Outcome

    @property
    def scored_as(self) -> str:
        """The class in the six metrics: the label, ``multi``, or ``unknown`` (empty and error too).

        Never dropped: a sample without an answer is a wrong answer, as in the release.
        """
        if self.label is not None:
            return self.label
        return "multi" if self.outcome == "multi" else "unknown"


UNKNOWN = Answer(None, "unknown")
MULTI = Answer(None, "multi")
EMPTY = Answer(None, "empty")
ERROR = Answer(None, "error")


class Parser:
    """Finds the labels of one task in texts.

    Args:
        labels: as the task spells them; letter case is ignored.

    Raises:
        ValueError: a label is empty.
    """

    def __init__(self, labels: Sequence[str]):
        if not all(label.strip() for label in labels):
            raise ValueError("an empty label would match every text")
        self._known = [
            (label.lower(), re.compile(rf"(?<!\w){re.escape(label.lower())}(?!\w)").search, Answer(label, "label"))
            for label in labels
        ]
        self._chosen = {answer.label: answer for _, _, answer in self._known}

    def parse(self, text: str | None) -> Answer:
        """The answer in a model's text; ``None``: the model gave none. No text raises an error."""
        if text is None:
            return ERROR
        lowered = text.lower()
        found = UNKNOWN
        for label, search, answer in self._known:
            # the plain search is 20 times faster than the pattern and lets through all that could match it
            if label in lowered and search(lowered):
                if found is not UNKNOWN:
                    return MULTI
                found = answer
        return EMPTY if found is UNKNOWN and not text.strip() else found

    def read(self, prediction: Mapping[str, Any]) -> Answer:
        """The answer of a line of predictions: the label that was chosen (`inference.answers`), or what its text says.

        A label that was chosen counts as it is, also where its text names another one, too (``sad`` in ``very sad``).
        """
        label = prediction.get("label")
        chosen = self._chosen.get(label) if isinstance(label, str) else None
        return chosen or self.parse(prediction.get("text"))
