"""Leakage: utterances of one task's test (or dev) split that stand in another's, or its own, training split.

Instruction tuning mixes the training splits of all tasks, and some data sets label the same utterances: MELD-DA those
of MELD, IEMOCAP-DA those of IEMOCAP. They are told apart by their source's id, which both keep behind a prefix. What
different data sets cut from the same recordings has its text in common alone (`same_text`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations
from pathlib import Path

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.forms import VIDEO_ROOT, ColumnNames
from orchestrator.data.same_text import LongEnough
from orchestrator.data.samples import Sample, read_split, split_file
from orchestrator.errors import Problem

# data sets whose utterances, and their ids, are another's (EMOTyDA's dialogue acts, Saha et al., ACL 2020)
SOURCES = {"MELD-DA": "MELD", "IEMOCAP-DA": "IEMOCAP"}
HELD_OUT = ("dev", "test")

Splits = Mapping[tuple[str, str], Sequence[Sample]]  # by task name and split


@dataclass(frozen=True)
class Leak:
    """How many rows of a split stand in a task's training split.

    Attributes:
        task, split: the split that is held out.
        rows: how many it has.
        train: the task of the training split.
        utterance: how many stand there by the source's id.
        text_label: how many stand there by text (letter case ignored) and label; ``None`` across tasks, whose labels
            differ.
    """

    task: str
    split: str
    rows: int
    train: str
    utterance: int
    text_label: int | None


def source_dataset(task: Task) -> str:
    """The data set that a task's utterances come from."""
    return SOURCES.get(task.dataset, task.dataset)


def source_id(task: Task) -> Callable[[str], str]:
    """A function from a sample's id to its id in the source, e.g. ``MELD-DA_0_9`` and ``MELD_0_9.mp4`` to ``0_9``."""
    return _stripper(source_dataset(task), task.folders)


@cache
def _stripper(origin: str, folders: tuple[str, ...]) -> Callable[[str], str]:
    alike = (task for task in tasks().values() if source_dataset(task) == origin)
    names = {*folders, *(name for task in alike for name in (task.dataset, *task.folders))}
    # longest first: MELD-DA before MELD
    prefix = "|".join(re.escape(name) for name in sorted(names | {origin}, key=len, reverse=True))
    pattern = re.compile(rf"(?:(?:{prefix})_)?(.*?)(?:\.(?:mp4|avi|mkv|wav|webm))?", re.IGNORECASE | re.DOTALL)

    def strip(name: str) -> str:
        match = pattern.fullmatch(name)
        return match[1] if match else name

    return strip


def leakage(chosen: Iterable[Task], splits: Splits, known: Mapping[str, Task]) -> list[Leak]:
    """Every split that is held out against every training split there is: with the task's own, and where any leak.

    ``splits`` holds what was read; those of tasks that are not ``chosen`` count as training data only. ``known``: all
    tasks by name.
    """
    found = []
    train = {name: known[name] for name, split in splits if split == "train"}
    ids = {name: set(map(source_id(task), _ids(splits[name, "train"]))) for name, task in train.items()}
    for task in chosen:
        own = {(sample.text.lower(), sample.label) for sample in splits.get((task.name, "train"), ())}
        for split in HELD_OUT:
            samples = splits.get((task.name, split), ())
            names = [source_id(task)(sample.id) for sample in samples]
            for other, other_task in train.items():
                same = other == task.name
                if not samples or source_dataset(other_task) != source_dataset(task):
                    continue
                utterances = sum(name in ids[other] for name in names)
                texts = sum((sample.text.lower(), sample.label) in own for sample in samples) if same else None
                if same or utterances:
                    found.append(Leak(task.name, split, len(samples), other, utterances, texts))
    return found


@dataclass(frozen=True)
class Leaked:
    """The ids of a task's training samples that some tasks hold out.

    Attributes:
        by_id: those of its own source, by their source's id: equal texts in different dialogues are no leak.
        by_text: those of other sources, by their text, without those in ``by_id``.
        told: those that have a text in common with what its own source holds out, and are in neither.
    """

    by_id: set[str]
    by_text: set[str]
    told: set[str]

    @property
    def ids(self) -> set[str]:
        """Those to leave out, for nothing that is held out to be trained on."""
        return self.by_id | self.by_text


def leaked(
    chosen: Iterable[Task],
    others: Iterable[Task],
    root: Path,
    *,
    columns: ColumnNames = None,
    text: LongEnough | None = None,
) -> dict[Task, Leaked]:
    """By task, what of its training split any of the others holds out, or itself; every split is read once.

    A task among the ``others`` without the split holds nothing out. Without ``text`` texts do not count.

    Raises:
        InputError: the data is wrong, or a task has no training split.
    """
    ids, keys = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    chosen = list(chosen)
    sources = set(map(source_dataset, chosen))
    for other in others:
        source = source_dataset(other)
        for split in HELD_OUT if text or source in sources else ():
            if split_file(other, split, root):
                samples = _read(other, split, root, columns)
                ids[source].update(map(source_id(other), _ids(samples)))
                keys[source] |= text.keys(samples) if text else set()
    found = {}
    for task in chosen:
        source, strip = source_dataset(task), source_id(task)
        held, own = ids[source], keys[source]
        elsewhere = set[str]().union(*(those for name, those in keys.items() if name != source))
        trained = _read(task, "train", root, columns) if held or elsewhere else []
        by_id = {sample.id for sample in trained if strip(sample.id) in held}
        texts = {sample.id: text.key(sample.text) for sample in trained if sample.id not in by_id} if text else {}
        by_text = {name for name, key in texts.items() if key in elsewhere}
        found[task] = Leaked(by_id, by_text, {name for name, key in texts.items() if key in own} - by_text)
    return found


def shared_ids(task: Task, splits: Mapping[str, Sequence[Sample]]) -> list[Problem]:
    """Ids that two of a task's splits share: one of the two is not what it says, or the ids are running numbers."""
    ids = {split: set(_ids(samples)) for split, samples in splits.items()}
    found = []
    for one, other in combinations(ids, 2):
        if both := sorted(ids[one] & ids[other]):
            listed = ", ".join(both[:3]) + (", ..." if len(both) > 3 else "")
            found.append(Problem(f"{one} and {other} share {len(both):,} ids: {listed}", task.name))
    return found


def id_problems(chosen: Sequence[Task], root: Path, columns: ColumnNames = None) -> list[Problem]:
    """Why `leaked` could not tell utterances apart by the ids of some tasks' files; empty where it can.

    Raises:
        InputError: the data is wrong.
    """
    found, names = [], {}
    for task in chosen:
        there = [split for split in ("train", *HELD_OUT) if split_file(task, split, root)]
        splits = {split: _read(task, split, root, columns) for split in there}
        found += shared_ids(task, splits)
        names[task] = set(map(source_id(task), chain.from_iterable(map(_ids, splits.values()))))
    for one, other in combinations(chosen, 2):
        if (
            source_dataset(one) == source_dataset(other)
            and names[one]
            and names[other]
            and not names[one] & names[other]
        ):
            examples = f"`{min(names[one])}` and `{min(names[other])}`"
            message = f"{one.name} and {other.name} label the same utterances, but have no id in common ({examples})"
            found.append(Problem(message, str(root)))
    hint = "give the ids of the published files, MELD_0_9 and MELD-DA_0_9, or set it.exclude_leaks: false"
    return [Problem(problem.message, problem.where, hint) for problem in found]


def _read(task: Task, split: str, root: Path, columns: ColumnNames) -> list[Sample]:
    return read_split(task, split, root, VIDEO_ROOT, columns=columns)


def _ids(samples: Iterable[Sample]) -> list[str]:
    return [sample.id for sample in samples]
