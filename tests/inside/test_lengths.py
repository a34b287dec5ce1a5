"""The program that measures, without a toolkit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.inside import lengths


def words(row: lengths.Row) -> int:
    if row.get("video") == "bad.mp4":
        raise ValueError("no such video")
    return len(row["text"].split())


def measured(folder: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, suffix: str = ".json") -> Any:
    text = json.dumps(rows) if suffix == ".json" else "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / f"rows{suffix}").write_text(text)
    files = {
        "train": {"path": f"rows{suffix}", "training": True},
        "asked": {"path": f"rows{suffix}", "training": False},
    }
    (folder / "config.json").write_text(json.dumps({"files": files, "out": "out.json"}))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["lengths.py", "config.json"])
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    shown: list[bool] = []

    def load(config: dict[str, Any], training: bool) -> lengths.Measure:
        assert config["out"] == "out.json"
        shown.append(training)
        return words if training else lambda row: words(row) + 100

    lengths.main(load)
    assert shown == [True, False]
    return json.loads((folder / "out.json").read_text())


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_each_row_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    rows = [{"text": "a b c"}, {"text": "a\u2028b", "video": "good.mp4"}, {"text": "a", "video": "bad.mp4"}]
    assert measured(tmp_path, rows, monkeypatch, suffix) == {"train": [3, 2, None], "asked": [103, 102, None]}


def test_many_rows_in_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    rows = [{"text": "a " * (number % 17)} for number in range(lengths.MANY + 3)]
    assert measured(tmp_path, rows, monkeypatch)["train"] == [number % 17 for number in range(lengths.MANY + 3)]


def test_a_text_that_cannot_be_measured_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        measured(tmp_path, [{"no text": ""}], monkeypatch)
    assert not (tmp_path / "out.json").exists()
