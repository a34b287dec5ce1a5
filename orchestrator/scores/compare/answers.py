"""A run's answers to one task, as numbers: quickly compared with another run's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import InputError, short
from orchestrator.scores.answer_file import AnswerRow

if TYPE_CHECKING:
    import numpy as np

# what an answer is that names no label, as a code
CODES = {"unknown": -1, "empty": -2, "error": -3, "multi": -4, "cut_off": -5}
OUTCOMES = {code: outcome for outcome, code in CODES.items()}
AGAIN = "run the recipe again: it writes the answers once more"


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of one run to one task.

    Attributes:
        ids: of the samples; each once.
        classes: the labels that are true or were answered.
        truth: (n,) the places of the true labels in `classes`.
        said: (n,) the places of the answered ones; where none was, a code of `CODES`.
        texts: what was said where it is no label, by the sample's place.
        words: the model's own words where they are more than the label, or why there are none, by the sample's place.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    truth: np.ndarray
    said: np.ndarray
    texts: Mapping[int, str]
    words: Mapping[int, str] = field(default_factory=dict)

    @property
    def right(self) -> int:
        """How many answers are right."""
        return int((self.truth == self.said).sum())

    def scored(self) -> np.ndarray:
        """(n,) the classes that the answers count as: behind the labels `unknown` (also empty, error), then `multi`."""
        import numpy as np

        none = np.where(self.said == CODES["multi"], len(self.classes) + 1, len(self.classes))
        return np.where(self.said < 0, none, self.said)

    def macro_f1(self) -> float:
        """Macro F1, 0 to 1, as `scores.metrics` defines it."""
        import numpy as np

        from orchestrator.scores.compare.counts import macro_f1

        said, size = self.scored(), len(self.classes) + 2
        counts = (self.truth, said[said == self.truth], said)
        return float(macro_f1(*(np.bincount(codes, minlength=size).astype(np.float64) for codes in counts)))

    def word(self, place: int) -> str:
        """What was answered to a sample: a label, or the outcome."""
        code = int(self.said[place])
        return self.classes[code] if code >= 0 else OUTCOMES[code]

    def label(self, place: int) -> str:
        """The true label of a sample."""
        return self.classes[int(self.truth[place])]

    def coded(self, classes: Sequence[str]) -> Answers:
        """The same with the labels of a longer list, which holds all of `classes`."""
        import numpy as np

        places = {name: place for place, name in enumerate(classes)}
        # the codes of no label stay: they count from the end
        table = np.array([places[name] for name in self.classes] + sorted(OUTCOMES), dtype=np.int64)
        return replace(self, classes=tuple(classes), truth=table[self.truth], said=table[self.said])

    def ordered(self, ids: tuple[str, ...]) -> Answers:
        """The same in the order of these ids, which are the same ones."""
        import numpy as np

        if ids == self.ids:
            return self
        places = {name: place for place, name in enumerate(self.ids)}
        order = np.array([places[name] for name in ids])
        back = {int(old): new for new, old in enumerate(order)}
        texts, words = ({back[place]: text for place, text in held.items()} for held in (self.texts, self.words))
        return replace(self, ids=ids, truth=self.truth[order], said=self.said[order], texts=texts, words=words)


def gather(rows: Iterable[AnswerRow], path: Path) -> dict[str, dict[str, Answers]]:
    """The answers in a file by run and task.

    Raises:
        InputError: a sample was answered twice, or a value is none of those that are written.
    """
    groups: dict[tuple[str, str], list[tuple[int, AnswerRow]]] = {}
    for line, row in enumerate(rows, start=1):
        if wrong := _wrong(row):
            raise InputError(f"not a sample's answer: {wrong}", f"{path}:{line}", AGAIN)
        groups.setdefault((row["recipe"], row["task"]), []).append((line, row))
    found: dict[str, dict[str, Answers]] = {}
    for (recipe, task), group in groups.items():
        found.setdefault(recipe, {})[task] = _answers(group, recipe, task, path)
    return found


def _wrong(row: AnswerRow) -> str:
    """What a row holds that none has; empty where it is sound. From a file anything may come."""
    parsed, outcome, given = row["parsed"], row["outcome"], (row["parsed"], row["answer"])
    texts = (row["recipe"], row["task"], row["id"], row["label"], outcome)
    if {*map(type, texts)} != {str} or not {*map(type, given)} <= {str, type(None)}:
        return short(f"`{row}` has a value that is no text", 200)
    if (outcome not in CODES) if parsed is None else outcome != "label":
        return f"outcome `{short(outcome)}` where parsed is {'nothing' if parsed is None else f'`{short(parsed)}`'}"
    return ""


def _answers(group: Sequence[tuple[int, AnswerRow]], recipe: str, task: str, path: Path) -> Answers:
    import numpy as np

    ids = tuple(row["id"] for _, row in group)
    if len(set(ids)) != len(ids):
        twice, _ = Counter(ids).most_common(1)[0]
        first, second = [line for line, row in group if row["id"] == twice][:2]
        message = f"`{recipe}` has two answers to the sample `{twice}` of {task}: the first is on line {first}"
        raise InputError(message, f"{path}:{second}", AGAIN)
    codes: dict[str, int] = {}
    truth, said, texts, words = [], [], {}, {}
    for place, (_, row) in enumerate(group):
        truth.append(codes.setdefault(row["label"], len(codes)))
        own = row["answer"] or row["error"]
        if isinstance(own, str) and own != row["parsed"]:
            words[place] = own
        if (parsed := row["parsed"]) is not None:
            said.append(codes.setdefault(parsed, len(codes)))
            continue
        said.append(CODES[row["outcome"]])
        if text := row["answer"]:
            texts[place] = text
    return Answers(ids, tuple(codes), np.array(truth, dtype=np.int64), np.array(said, dtype=np.int64), texts, words)
