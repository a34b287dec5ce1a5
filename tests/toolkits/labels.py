"""What the tests of label scores share: tasks with labels that are hard to tell apart, jobs for `inside_labels`, and
what must hold of their outcome.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# labels that begin others, that are others' words, of several tokens, of letters that few tokenizers know, and two
LABELS = {
    "hard": ("emotion", ["sad", "very sad", "sad and angry", "sa", "中性", "joy", "a joy that lasts and lasts"]),
    "few": ("speaking style", ["sincere", "sarcastic"]),
    "alike": ("act", ["question", "questions", "question mark"]),
}
TASKS = {
    name: {"labels": labels, "answers": [f"{word}: {label}" for label in labels]}
    for name, (word, labels) in LABELS.items()
}
TIE = 1e-4  # two labels that are nearer may be either


def write_job(
    file: Path, config: dict[str, Any], requests: Sequence[dict[str, Any]], room: int = 256 << 20, **more: Any
) -> None:
    """Write a job for `inside_labels.report`; the requests are of the three tasks by turns.

    ``room``: bytes for copies of the cache, see `label_scores.ROOM`.
    """
    names = [*TASKS]
    asked = [request | {"task": names[at % len(names)]} for at, request in enumerate(requests)]
    config = config | {"labels": TASKS} | more
    job = {"config": config, "requests": asked, "out": str(file.with_suffix(".out.json")), "room": room}
    file.write_text(json.dumps(job, ensure_ascii=False), encoding="utf-8")


def check_job(file: Path, count: int) -> None:
    """See that a job's answers are the most probable labels, and every label's number the one that it has alone."""
    out = json.loads(file.with_suffix(".out.json").read_text(encoding="utf-8"))
    mean = json.loads(file.read_text(encoding="utf-8"))["config"].get("label_score") == "mean"
    lines = [line for line in out["lines"] if "error" not in line]
    assert len(lines) == count, [line for line in out["lines"] if "error" in line][:1]
    chosen = set()
    for line in lines:
        task, ids = TASKS[line["task"]], out["ids"][line["task"]]
        alone = {
            label: line["plain"][label] / (len(tokens) if mean else 1)
            for label, tokens in zip(task["labels"], ids, strict=True)
        }
        assert line["logprobs"].keys() == alone.keys()
        for label, value in alone.items():
            assert abs(line["logprobs"][label] - value) < 1e-3, (line["id"], label)
        best = max(alone, key=lambda label: alone[label])
        assert alone[best] - alone[line["label"]] < TIE, line["id"]
        assert line["text"] == task["answers"][task["labels"].index(line["label"])]
        assert line["finish_reason"] == "stop"
        chosen.add(line["label"])
    assert len(chosen) > 2, "the model must prefer different labels"
