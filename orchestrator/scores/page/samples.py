"""The samples and answers in the page: packed, so that many runs stay small; unpacked by the reader's browser."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.benchmark.task import Task
from orchestrator.scores.answers import OUTCOMES
from orchestrator.scores.compare.agreement import same_samples
from orchestrator.scores.compare.answers import CODES, Answers
from orchestrator.scores.compare.runs import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 7_500_000  # characters that the answers may take, of a page of 10 MB


class Cut(NamedTuple):
    """What is kept of answers: of each so many characters; and whether also where it names a label, which is kept."""

    length: int
    labelled: bool


# the first with which the answers fit
CUTS = (
    Cut(2000, True),
    Cut(400, True),
    Cut(100, True),
    Cut(400, False),
    Cut(100, False),
    Cut(20, False),
    Cut(0, False),
)


@dataclass(frozen=True)
class Utterance:
    """What a reader with the data sees of a sample: its text, and its clip's address where it has one."""

    text: str
    clip: str = ""


@dataclass
class SampleSet:
    """The samples of a task that some runs answered, in one order.

    Attributes:
        task: the task's name.
        answers: of the first run, which gives the order.
        classes: the task's labels, and behind them others that are true or were answered.
        runs: the runs that answered them, by position, each with its answers in this order.
    """

    task: str
    answers: Answers
    classes: tuple[str, ...]
    runs: dict[int, Answers] = field(default_factory=dict)

    outcomes = OUTCOMES

    def counts(self, run: int) -> NDArray[np.int64]:
        """The confusion of a run: (classes, classes + outcomes), true labels by what was answered."""
        import numpy as np

        said, width = self.runs[run].said, len(self.classes)
        columns = said.copy()
        for place, outcome in enumerate(self.outcomes):
            columns[said == CODES[outcome]] = width + place
        found = np.zeros((width, width + len(self.outcomes)), dtype=np.int64)
        np.add.at(found, (self.runs[run].truth, columns), 1)
        return found


def sample_sets(runs: Sequence[Run], tasks: Mapping[str, Task]) -> list[SampleSet]:
    """The samples that were answered, by task; runs on other samples of a task (a limit, another split) stand apart."""
    sets: list[SampleSet] = []
    for name, task in tasks.items():
        here: list[SampleSet] = []
        for place, run in enumerate(runs):
            if run.answers is None or name not in run.rows:
                continue
            given = run.answers[name]
            group = next((one for one in here if same_samples(one.answers, given)), None)
            if group is None:
                group = SampleSet(name, given, ())
                here.append(group)
            group.runs[place] = given.ordered(group.answers.ids)
        for group in here:
            spelt = dict.fromkeys(task.labels)
            for answers in group.runs.values():
                spelt |= dict.fromkeys(answers.classes)
            group.classes = tuple(spelt)
            group.runs = {place: answers.coded(group.classes) for place, answers in group.runs.items()}
            group.answers = group.answers.coded(group.classes)
        sets += here
    return sets


def packed_sets(
    sets: Sequence[SampleSet], labels: Mapping[str, int], shown: Mapping[str, Mapping[str, Utterance]]
) -> tuple[list[dict[str, Any]], Cut | None]:
    """The sets as the page's script reads them.

    Args:
        sets: the samples and answers.
        labels: by task, the length of its label list.
        shown: by task and id, what a reader with the data sees.

    Returns:
        For each set ``task``, ``labels`` (how many of the classes are the task's), ``classes``, ``n``, ``samples`` and
        by run's position ``answers``, the last two packed; and how answers were cut, if any was.
    """
    for cut in CUTS:
        found, some = _within(sets, cut, MOST if cut.length else None)
        if found is not None:
            break
    rows = [
        {
            "task": one.task, "labels": labels.get(one.task, len(one.classes)), "classes": list(one.classes),
            "n": len(one.answers.ids), "samples": _pack(_samples(one, shown.get(one.task, {}))), "answers": answers,
        }
        for one, answers in zip(sets, found or (), strict=True)
    ]  # fmt: skip
    return rows, cut if some else None


def _within(sets: Sequence[SampleSet], cut: Cut, most: int | None) -> tuple[list[dict[str, str]] | None, bool]:
    """The answers of each set, and whether one was cut; ``None``: they take more than ``most``."""
    found: list[dict[str, str]] = []
    some, size = False, 0
    for one in sets:
        found.append({})
        for place, given in one.runs.items():
            held, shortened = _answers(given, cut)
            some = some or shortened
            found[-1][str(place)] = _pack(held)
            size += len(found[-1][str(place)])
            if most is not None and size > most:
                return None, some
    return found, some


def _samples(one: SampleSet, shown: Mapping[str, Utterance]) -> dict[str, Any]:
    ids = one.answers.ids
    held: dict[str, Any] = {"ids": ids, "truth": one.answers.truth.tolist()}
    if shown:
        held["texts"] = [shown[name].text if name in shown else None for name in ids]
        held["clips"] = [shown[name].clip if name in shown else "" for name in ids]
    return held


def _answers(given: Answers, cut: Cut) -> tuple[dict[str, Any], bool]:
    """One run's answers, equal texts once; and whether a text was cut or left out."""
    strings: dict[str, int] = {}
    sizes: dict[int, int] = {}
    at, which = [], []
    for place, text in sorted(given.words.items()):
        if not cut.labelled and given.said[place] >= 0:
            continue
        short = text if len(text) <= cut.length else text[: cut.length]
        number = strings.setdefault(short, len(strings))
        if short is not text:
            sizes[place] = len(text)
        at.append(place)
        which.append(number)
    steps = [place - before for place, before in zip(at, [0, *at], strict=False)]
    held = {"said": given.said.tolist(), "at": steps, "which": which, "strings": list(strings), "sizes": sizes}
    return held, bool(sizes) or len(at) < len(given.words)


def _pack(value: Any) -> str:
    """JSON, deflated (RFC 1951), in base 64."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(deflate.compress(text) + deflate.flush()).decode("ascii")
