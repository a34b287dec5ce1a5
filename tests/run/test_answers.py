"""The answers file of many tables, which is written again with each task that is scored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.run import answers
from orchestrator.run.answer_tables import write_table
from orchestrator.scores.answer_file import AnswerRow


def test_each_table_is_packed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    for number in range(600):  # 50 combinations of 12 tasks
        name = f"t{number}"
        row = {"recipe": "r", "task": name, "id": str(number), "label": "joy", "answer": "it is joy", "parsed": "joy"}
        write_table(tmp_path, name, [AnswerRow(**row, outcome="label", error=None)])  # type: ignore[typeddict-item]
        job = SimpleNamespace(stage=lambda kind: SimpleNamespace(folder=tmp_path))
        recipe = SimpleNamespace(recipe=SimpleNamespace(name="r"))
        found.append(SimpleNamespace(job=job, task=SimpleNamespace(name=name), plan=recipe))
    before, lost = answers.answers_of(found)
    assert lost == []
    packed: list[object] = []
    monkeypatch.setattr(answers, "packed", lambda rows: packed.append(rows) or b"")
    assert answers.answers_of(found) == (before, [])
    assert packed == []
