"""Utterances of one text in different data sets: what MUStARD cut from the series that MELD is of has other ids there.

A short text ("Yeah.", "I don't know.") is said by many; equal texts count from so many words on, or characters where a
script sets no spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.benchmark.task import Task
from orchestrator.data.samples import Sample

WORDS, CHARACTERS = 6, 12  # the least, where nothing else is said
# raised when the same texts count as equal that did not, or the other way round
VERSION = 1
_WORD = re.compile(r"\w+")
# Chinese characters, and what Japanese has besides
_UNSPACED = re.compile("[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True)
class LongEnough:
    """From which length on equal texts are one utterance: words or, in Chinese and Japanese, characters."""

    words: int = WORDS
    characters: int = CHARACTERS

    def key(self, text: str) -> str | None:
        """What equal texts have in common, letter case, width and punctuation aside; ``None`` of one too short."""
        joined, words, characters = _normal(text)
        return joined if (characters >= self.characters if characters else words >= self.words) else None

    def keys(self, samples: Iterable[Sample]) -> set[str]:
        """Those of some samples."""
        return {key for sample in samples if (key := self.key(sample.text)) is not None}


@lru_cache(1 << 17)
def _normal(text: str) -> tuple[str, int, int]:
    """A text's word characters, how many words they are and, where most are of no spaced script, how many they are."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    words = _WORD.findall(plain.casefold())
    joined = "".join(words)  # Chinese with spaces between the words is the same
    unspaced = 0 if joined.isascii() else len(_UNSPACED.findall(joined))
    return joined, len(words), len(joined) if 2 * unspaced > len(joined) else 0


@dataclass(frozen=True)
class TextLeak:
    """How many rows of a held-out split have a text that stands in a task's training split.

    Attributes:
        task, split: the split that is held out.
        rows: how many it has.
        train: the task of the training split.
        text: how many stand there by text.
        within: whether both are of one source, where they are told alone: `leaks.source_dataset`.
    """

    task: str
    split: str
    rows: int
    train: str
    text: int
    within: bool


def text_leakage(
    held: Mapping[tuple[Task, str], Sequence[Sample]],
    trained: Mapping[Task, Sequence[Sample]],
    source: Mapping[Task, str],
    rule: LongEnough,
) -> list[TextLeak]:
    """Every held-out split against every training split, where any text of the one stands in the other.

    Args:
        held: the samples of the splits that are held out, by task and split.
        trained: those of the training splits.
        source: by task, the data set that its utterances come from.
        rule: which texts count.
    """
    there = {task: rule.keys(samples) for task, samples in trained.items()}
    found = []
    for (task, split), samples in held.items():
        keys = [rule.key(sample.text) for sample in samples]
        for other, known in there.items():
            if count := sum(key is not None and key in known for key in keys):
                within = source[task] == source[other]
                found.append(TextLeak(task.name, split, len(samples), other.name, count, within))
    return found
