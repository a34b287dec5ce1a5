from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.benchmark.task import benchmark_tasks, tasks
from orchestrator.cli.app import app
from orchestrator.data.check import examine
from orchestrator.data.forms import parse_columns
from orchestrator.data.leaks import leaked_ids, source_id
from orchestrator.errors import InputError
from tests.media import write_video
from tests.recipes import write_rows
from tests.shared import MMLA, needs_mmla

VIDEOS = "{root}/{dataset}/video"


def write(root: Path, name: str, split: str, *rows: tuple[str, str, str]) -> None:
    write_rows(root / name / f"{split}.tsv", ((ident, f"{ident}.mp4", text, label) for ident, text, label in rows))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "MELD", "train", ("MELD_0_1", "Hi", "joy"), ("MELD_0_2", "Hi", "joy"), ("MELD_0_3", "No", "anger"))
    write(tmp_path, "MELD", "test", ("MELD_9_1", "hi", "joy"), ("MELD_9_2", "Ho", "fear"))
    write(tmp_path, "MELD-DA", "train", ("MELD-DA_0_3", "No", "answer"))
    write(tmp_path, "MELD-DA", "test", ("MELD-DA_0_1", "Hi", "greeting"), ("MELD-DA_8_8", "No", "answer"))
    return tmp_path


def check(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["data", "check", *map(str, arguments)])
    assert isinstance(result.exception, SystemExit | None), repr(result.exception)
    assert result.exit_code == code, result.output
    return result.output


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


def test_leaked(root: Path) -> None:
    meld, da, mosi = (tasks()[name] for name in ("MELD", "MELD-DA", "MOSI"))
    assert leaked_ids(meld, [da, mosi], root) == {"MELD_0_1"}
    assert leaked_ids(da, [meld], root) == set()
    assert leaked_ids(mosi, [meld, da], root) == set()
    strip = source_id(da)
    assert [strip(name) for name in ("MELD-DA_0_9", "meld_0_9.mp4", "0_9", "MELD_x_0_9")] == ["0_9"] * 3 + ["x_0_9"]


def test_command(root: Path) -> None:
    output = check("--data-root", root)
    assert "MELD-DA  test   2     MELD         1 (50.0%)" in output
    assert "IEMOCAP: no data" in output
    assert output.endswith("sound\n")
    # the other task's training split counts although only one task is looked at
    output = check("--data-root", root, "--task", "MELD-DA")
    assert "MELD-DA  test   2     MELD         1 (50.0%)" in output
    assert "MELD-DA train: " in output
    assert "answer 1 (100.00%)" in output
    data = json.loads(check("--data-root", root, "--task", "MELD", "--json"))
    assert data["sound"] is True
    assert data["splits"][0]["published"] == 9989


def test_what_is_wrong(root: Path) -> None:
    write(root, "MELD", "dev", ("MELD_0_1", "Hi", "joy"), ("a", "Hi", "joi"), ("b", "Hi", "joy"), ("b", "Hi", "joy"))
    output = check("--data-root", root, "--task", "MELD", code=1)
    assert "dev.tsv:3: `joi` is not a label of MELD" in output
    assert "dev.tsv:5: the id `b` was on line 4 already" in output
    assert "MELD: train and dev share 1 ids: MELD_0_1" in output
    data = json.loads(check("--data-root", root, "--task", "MELD", "--json", code=1))
    assert [(row["rows"], row["wrong"]) for row in data["splits"]] == [(3, 0), (4, 2), (2, 0)]
    write(root, "MELD", "dev", *((str(at), "Hi", "x") for at in range(100)))
    assert "and 80 more problems" in check("--data-root", root, "--task", "MELD", code=1)


def test_no_data_and_columns(root: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        examine(root / "none", list(benchmark_tasks("mmla").values()), VIDEOS)
    with pytest.raises(InputError, match="no test data for MOSI"):
        examine(root, [tasks()["MOSI"]], VIDEOS)
    assert parse_columns("text=Utterance, label=Mood") == {"text": "Utterance", "label": "Mood"}
    assert parse_columns("id, text,label") == ["id", "text", "label"]
    for wrong in ("txt=a", "id,text", "id,text=a,label"):
        with pytest.raises(InputError, match="--columns"):
            parse_columns(wrong)
    (root / "MELD" / "test.tsv").write_text("1\tHi\tjoy\n")
    assert "no header" in check("--data-root", root, "--task", "MELD", code=1)
    assert "sound" in check("--data-root", root, "--task", "MELD", "--columns", "id,text,label")


def test_videos(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    videos = root / "MELD" / "video"
    videos.mkdir()
    for name in ("0_1", "0_2", "9_1"):
        write_video(videos / f"MELD_{name}.mp4")
    (videos / "MELD_0_3.mp4").touch()
    runs = tmp_path / "runs"
    output = check("--data-root", root, "--task", "MELD", "--videos", "--runs-dir", runs, code=1)
    assert "MELD_0_3.mp4: the video is empty" in output
    assert "MELD_9_2.mp4: the video is missing" in output
    assert len(json.loads((runs / ".cache" / "videos.json").read_text())["sound"]) == 3
    for name in ("0_3", "9_2"):
        write_video(videos / f"MELD_{name}.mp4")
    data = json.loads(check("--data-root", root, "--task", "MELD", "--videos", "--runs-dir", runs, "--json"))
    assert [row.get("videos") for row in data["splits"]] == [3, None, 2]


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


@needs_mmla
def test_the_benchmarks_leaked_samples() -> None:
    everything = list(benchmark_tasks("mmla").values())
    sizes = {task.name: len(leaked_ids(task, everything, MMLA / "text")) for task in everything if task.name not in
             ("MIntRec2.0", "UR-FUNNY")}  # fmt: skip
    assert {name: size for name, size in sizes.items() if size} == {
        "MELD": 2997, "IEMOCAP": 445 + 966, "IEMOCAP-DA": 350 + 1113
    }  # fmt: skip


def test_what_is_odd_is_told(root: Path) -> None:
    write(root, "CH-SIMSv2.0", "train", ("a", " ", "neutral"))
    write(root, "Ch-sims", "test", ("b", "Ho", "neutral"))
    report = examine(root, [tasks()["Ch-sims"]], VIDEOS)
    assert report.problems == []
    assert "Ch-sims train: 1 samples without text" in report.warnings
    assert "Ch-sims: its splits come from two folders: CH-SIMSv2.0/train.tsv, Ch-sims/test.tsv" in report.warnings
