"""Generates the data of the task ``demo``: short English sentences whose dialogue act their words give away.

``python -m orchestrator.data.demo DIR`` writes ``DIR/Demo/{train,dev,test}.tsv``. No two sentences are the same, so
a model that scores well on the test has learnt which words matter, not the sentences.
"""

from __future__ import annotations

import csv
import io
import random
import sys
from itertools import product
from pathlib import Path

from orchestrator.benchmark.task import SPLITS, tasks
from orchestrator.machine.files import atomic_write

_SLOTS = {
    "person": ("Anna Ben Clara David Emma Frank Grace Henry Iris Jack Laura Mark Nina Oscar Paula Sam", " "),
    "thing": ("book car door key lamp letter map phone plate radio table ticket window coat cup box", " "),
    "place": ("kitchen garden office school station market hotel library museum park", " "),
    "adjective": ("old new red small broken heavy cheap clean", " "),
    "moment": ("today,yesterday,tonight,again,now,this morning,last week,on Monday", ","),
}
# the share of each label, and its patterns; the content words are the same for all, only the frame tells
_PATTERNS: dict[str, tuple[float, tuple[str, ...]]] = {
    "statement": (0.40, (
        "The {thing} in the {place} is {adjective}.",
        "{person} bought the {adjective} {thing} {moment}.",
        "{person} left the {thing} in the {place} {moment}.",
        "I think the {adjective} {thing} is in the {place}.",
        "We saw {person} near the {place} {moment}.",
    )),
    "question": (0.25, (
        "Where is the {adjective} {thing}, {person}?",
        "Did {person} see the {thing} in the {place}?",
        "What is the {thing} in the {place} for, {person}?",
        "Who took the {adjective} {thing} {moment}?",
        "Why is {person} in the {place} {moment}?",
    )),
    "command": (0.20, (
        "Please bring the {adjective} {thing} to the {place}.",
        "{person}, please take the {thing} to the {place}.",
        "Please open the {thing} in the {place} {moment}.",
        "Do not touch the {adjective} {thing}, {person}!",
        "Put the {thing} back in the {place}, {person}!",
    )),
    "apology": (0.15, (
        "Sorry, {person}, the {thing} is {adjective} {moment}.",
        "I am so sorry about the {adjective} {thing}, {person}.",
        "Forgive me, I lost the {thing} in the {place}.",
        "I apologise, {person}, for the {adjective} {thing}.",
        "Sorry, I was late at the {place} {moment}, {person}.",
    )),
}  # fmt: skip


def write_demo_data(root: Path, seed: int = 0, sizes: tuple[int, int, int] = (1200, 120, 240)) -> dict[str, Path]:
    """Write the train, dev and test files beneath ``root`` and return them by split.

    The same seed gives the same bytes. Every split has the same label shares (the largest 40%); no sentence occurs
    twice, within or across splits.

    Raises:
        ValueError: ``sizes`` (rows of train, dev and test) ask for more sentences than there are.
    """
    rng = random.Random(seed)
    total = sum(sizes)
    pools = {label: _sentences(label, rng) for label in _PATTERNS}
    files = {}
    for split, size in zip(SPLITS, sizes, strict=True):
        rows = []
        for label, count in _counts(size).items():
            if len(pools[label]) < count:
                raise ValueError(f"cannot make {total:,} different sentences: too few for `{label}`")
            rows += [(pools[label].pop(), label) for _ in range(count)]
        rng.shuffle(rows)
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(("id", "video", "text", "label"))
        writer.writerows((f"demo_{split}_{at:05d}", "", *row) for at, row in enumerate(rows))
        files[split] = root / tasks()["demo"].folders[0] / f"{split}.tsv"
        atomic_write(files[split], text.getvalue())
    return files


def _sentences(label: str, rng: random.Random) -> list[str]:
    """All sentences of a label, shuffled, with its patterns taken in turn so that each is seen equally often."""
    pools = []
    for pattern in _PATTERNS[label][1]:
        slots = {slot: words.split(by) for slot, (words, by) in _SLOTS.items() if f"{{{slot}}}" in pattern}
        filled = [pattern.format(**dict(zip(slots, words, strict=True))) for words in product(*slots.values())]
        rng.shuffle(filled)
        pools.append(filled)
    longest = max(map(len, pools))
    # reversed: the rows are taken from the end, where every pattern still has sentences left
    return [pool[at] for at in range(longest) for pool in pools if at < len(pool)][::-1]


def _counts(size: int) -> dict[str, int]:
    """How many rows each label gets; what rounding leaves goes to the first."""
    counts = {label: int(share * size) for label, (share, _) in _PATTERNS.items()}
    counts["statement"] += size - sum(counts.values())
    return counts


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m orchestrator.data.demo DIR    (writes DIR/Demo/{train,dev,test}.tsv)")
    try:
        written = write_demo_data(Path(sys.argv[1]))
    except OSError as refused:
        sys.exit(f"error: {sys.argv[1]}: cannot be written: {refused.strerror}\n    give another folder")
    print(*written.values(), sep="\n")
