"""Answers that are always labels (``inference.answers: labels``): of a task's labels the most probable one.

``config["labels"]`` has for each task its labels and how each is answered, ``emotion: joy``; ``config["label_score"]``
says what is compared, the sum of an answer's log-probabilities or their mean. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

from orchestrator.inside import label_tree

DIGITS = 6  # of what is kept; and so of what is compared
LEAST = -1e6  # in place of minus infinity, which no JSON knows: a probability of 0 by far


def behind(prompt: Sequence[int], whole: Sequence[int]) -> list[int]:
    """What a conversation has behind its prompt, in tokens.

    Raises:
        SystemExit: the last tokens of the prompt are others where an answer follows.
    """
    if list(whole[: len(prompt)]) != list(prompt):
        raise SystemExit(
            "inference.answers: labels is not possible with this tokenizer: the tokens of a prompt are others where an "
            "answer follows; set it to free"
        )
    return list(whole[len(prompt) :])


def to_its_end(ids: Sequence[int], stops: set[int], end: int) -> list[int]:
    """An answer's tokens up to the one that ends it; ``end`` is added where none of ``stops`` is among them."""
    for place, token in enumerate(ids):
        if token in stops:
            return list(ids[: place + 1])
    return [*ids, end]


class LabelAnswers:
    """One task's labels, as tokens.

    Attributes:
        labels: as the task spells them, in its order.
        texts: how each is answered.
        sizes: how many tokens each answer has.
        tree: of the answers' tokens.
    """

    def __init__(self, labels: Sequence[str], texts: Sequence[str], ids_of: Callable[[str], Sequence[int]]) -> None:
        ids = [tuple(ids_of(text)) for text in texts]
        first: dict[tuple[int, ...], str] = {}
        for text, tokens in zip(texts, ids, strict=True):
            other = first.setdefault(tokens, text)
            if other != text:
                raise SystemExit(
                    f"inference.answers: labels is not possible: to this model's tokenizer `{other}` and `{text}` are "
                    "the same; set it to free"
                )
        self.labels, self.texts = list(labels), list(texts)
        self.sizes = [len(tokens) for tokens in ids]
        self.tree = label_tree.grow(ids)

    def chosen(self, sums: Mapping[int, float], score: str) -> Union[tuple[str, str, dict[str, Any]], ValueError]:
        """The answer, as in `loop.Answer`: its text, ``stop``, and the label with what all of them were compared by.

        An error where the model's numbers are none: weights that are damaged, or too large for their precision.

        Args:
            sums: by place in the list, the sum of the answer's log-probabilities.
            score: ``sum`` or ``mean``, which is the sum divided by the number of tokens.
        """
        each = [sums[place] / (size if score == "mean" else 1) for place, size in enumerate(self.sizes)]
        if any(math.isnan(value) or value == math.inf for value in each) or max(each) < LEAST:
            return ValueError("the model's log-probabilities are no numbers: try another inference.precision")
        each = [round(max(value, LEAST), DIGITS) for value in each]
        best = each.index(max(each))  # of equal ones the first in the task's list
        known = {"label": self.labels[best], "logprobs": dict(zip(self.labels, each, strict=True))}
        return self.texts[best], "stop", known


def label_answers(config: Mapping[str, Any], ids_of: Callable[[str], Sequence[int]]) -> dict[str, LabelAnswers]:
    """The labels of each task of a configuration; ``ids_of``: the tokens of an answer, with the one that ends it."""
    return {name: LabelAnswers(one["labels"], one["answers"], ids_of) for name, one in config["labels"].items()}
