"""Splits as users have them, and what is read of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.forms import ColumnNames
from orchestrator.data.samples import read_split, scan_split
from orchestrator.errors import InputError, Problem

VIDEOS = "{root}/{dataset}/video"
MELD = tasks()["MELD"]
QUESTION = (
    "You are presented with a video in which the speaker says: {} Based on the text, video, and audio content, what is "
    "the emotion of this speaker?\nThe candidate labels for emotion are: [neutral, joy]. Respond in the format: "
    "'emotion: [label]'. Only one label should be provided."
)
# a row: id, video, text, label, and which shape it comes in
FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
ROW = st.tuples(FIELD, FIELD, FIELD, st.sampled_from(["joy", "Anger", " sadness ", "joi", ""]), st.integers(0, 9))


def write(root: Path, content: str | list[Any], name: str = "test.tsv", task: Task = MELD) -> Path:
    path = root / task.folders[0] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return path


def read(root: Path, columns: ColumnNames = None) -> list[tuple[str, str, str, str | None]]:
    samples = read_split(MELD, "test", root, VIDEOS, columns=columns)
    return [
        (sample.id, sample.text, sample.label, sample.video and sample.video.replace(str(root), ""))
        for sample in samples
    ]


def problems(root: Path, columns: ColumnNames = None) -> list[str]:
    with pytest.raises(InputError) as raised:
        read_split(MELD, "test", root, VIDEOS, columns=columns)
    return [str(problem).replace(str(root), "") for problem in raised.value.problems]


def turns(question: str = "Hi", answer: str = "emotion: Joy", **more: Any) -> dict[str, Any]:
    return {"id": 0, "video": "1.mp4", "conversations": [{"value": question}, {"value": answer}]} | more


def told(problem: Problem) -> int:
    """Of how many rows a problem tells."""
    also = re.search(r"\(also on (\d*)", problem.message)
    repeats = re.match(r"ids must differ, and (\d+) of", problem.message)
    return int(repeats[1]) if repeats else 1 + int(also[1] or 1) if also else 1


def check(content: str, name: str, count: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "MELD" / name
        path.parent.mkdir()
        path.write_bytes(content.encode())
        scan = scan_split(MELD, "test", Path(folder), VIDEOS)
        assert scan.rows == count
        assert len(scan.samples) <= count
        assert sum(map(told, scan.problems)) >= count - len(scan.samples)
        assert len(scan.samples) == count or scan.problems
        assert all(sample.id and sample.label in MELD.labels for sample in scan.samples)
