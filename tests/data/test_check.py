from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.benchmark.task import benchmark_tasks, tasks
from orchestrator.data.check import examine
from orchestrator.data.forms import parse_columns
from orchestrator.errors import InputError
from tests.running import call
from tests.shared import MMLA, needs_mmla
from tests.tables import table, with_leaks

VIDEOS = "{root}/{dataset}/video"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return with_leaks(tmp_path)


def check(*arguments: object, code: int = 0) -> str:
    return call("data", "check", *arguments, code=code)


def test_counts_labels_and_leaks(root: Path) -> None:
    report = examine(root, [tasks()["MELD"], tasks()["MELD-DA"]], VIDEOS)
    rows: list[dict[str, Any]] = report.splits
    assert [(row["task"], row["split"], row["rows"], row["repeats"]) for row in rows] == [
        ("MELD", "train", 3, 1), ("MELD", "dev", 0, 0), ("MELD", "test", 2, 0),
        ("MELD-DA", "train", 1, 0), ("MELD-DA", "dev", 0, 0), ("MELD-DA", "test", 2, 0),
    ]  # fmt: skip
    assert rows[0]["labels"]["joy"] == 2
    assert report.problems == []
    assert "MELD train: 3 of 9,989 published rows (9,986 missing)" in report.warnings
    assert "MELD dev: missing (1,109 rows published)" in report.warnings
    assert "MELD test: no sample of neutral, surprise, sadness, anger, disgust" in report.warnings
    found = [(leak.task, leak.split, leak.train, leak.utterance, leak.text_label) for leak in report.leaks]
    assert found == [("MELD", "test", "MELD", 0, 1), ("MELD-DA", "test", "MELD", 1, None),
                     ("MELD-DA", "test", "MELD-DA", 0, 1)]  # fmt: skip


def test_no_data_and_columns(root: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        examine(root / "none", list(benchmark_tasks("mmla").values()), VIDEOS)
    with pytest.raises(InputError, match="no data for MOSI in the data folder: it holds MELD, MELD-DA"):
        examine(root, [tasks()["MOSI"]], VIDEOS)
    assert parse_columns("text=Utterance, label=Mood") == {"text": "Utterance", "label": "Mood"}
    assert parse_columns("id, text,label") == ["id", "text", "label"]
    for wrong in ("txt=a", "id,text", "id,text=a,label"):
        with pytest.raises(InputError, match="--columns"):
            parse_columns(wrong)
    (root / "MELD" / "test.tsv").write_text("1\tHi\tjoy\n")
    assert "no header" in check("--data-root", root, "--task", "MELD", code=1)
    assert "sound" in check("--data-root", root, "--task", "MELD", "--columns", "id,text,label")


@needs_mmla
def test_the_benchmarks_leaks() -> None:
    report = examine(MMLA / "text", list(benchmark_tasks("mmla").values()), VIDEOS)
    assert report.problems == []
    assert report.warnings == [
        "MIntRec2.0 train: missing (6,165 rows published)",
        "Ch-sims test: 1,031 of 1,034 published rows (3 missing)",
        "UR-FUNNY train: missing (7,612 rows published)",
    ]
    across = {(leak.task, leak.split, leak.train): leak.utterance for leak in report.leaks if leak.utterance}
    assert across == {
        ("MELD-DA", "dev", "MELD"): 999,
        ("MELD-DA", "test", "MELD"): 1998,
        ("IEMOCAP", "dev", "IEMOCAP-DA"): 350,
        ("IEMOCAP", "test", "IEMOCAP-DA"): 1113,
        ("IEMOCAP-DA", "dev", "IEMOCAP"): 445,
        ("IEMOCAP-DA", "test", "IEMOCAP"): 966,
    }
    # the findings' column "test rows whose text+label is in train"
    within = {leak.task: leak.text_label for leak in report.leaks if leak.split == "test" and leak.task == leak.train}
    assert within == {
        "MIntRec": 15, "MELD": 305, "IEMOCAP": 210, "MELD-DA": 220, "IEMOCAP-DA": 406, "MOSI": 0, "Ch-sims": 2,
        "MUStARD": 5, "AnnoMi-client": 212, "AnnoMi-therapist": 233,
    }  # fmt: skip
    for row in json.loads((MMLA / "stats.json").read_text()):
        ours = {split["split"]: split["repeats"] for split in report.splits if split["task"] == row["dataset"]}
        assert all(ours[split] == (row.get(f"{split}_dup_textlabel") or 0) for split in ours)


def test_what_is_odd_is_told(root: Path) -> None:
    table(root, "CH-SIMSv2.0", "train", ("a", " ", "neutral"))
    table(root, "Ch-sims", "test", ("b", "Ho", "neutral"))
    report = examine(root, [tasks()["Ch-sims"]], VIDEOS)
    assert report.problems == []
    assert "Ch-sims train: 1 samples without text" in report.warnings
    assert "Ch-sims: its splits come from two folders: CH-SIMSv2.0/train.tsv, Ch-sims/test.tsv" in report.warnings
