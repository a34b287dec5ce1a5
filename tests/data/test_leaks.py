"""Training samples that stand in another split."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.benchmark.task import Task, benchmark_tasks, tasks
from orchestrator.data.check import examine
from orchestrator.data.forms import VIDEO_ROOT
from orchestrator.data.leaks import leaked, source_id
from orchestrator.data.same_text import LongEnough, TextLeak
from tests.shared import MMLA, needs_mmla
from tests.tables import table, with_leaks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return with_leaks(tmp_path)


def leaked_ids(task: Task, others: list[Task], root: Path, text: LongEnough | None = None) -> set[str]:
    return leaked([task], others, root, text=text)[task].ids


def test_leaked(root: Path) -> None:
    meld, da, mosi = (tasks()[name] for name in ("MELD", "MELD-DA", "MOSI"))
    assert leaked_ids(meld, [da, mosi], root) == {"MELD_0_1"}
    assert leaked_ids(da, [meld], root) == set()
    assert leaked_ids(mosi, [meld, da], root) == set()
    strip = source_id(da)
    assert [strip(name) for name in ("MELD-DA_0_9", "meld_0_9.mp4", "0_9", "MELD_x_0_9")] == ["0_9"] * 3 + ["x_0_9"]


def test_leaked_by_text(root: Path) -> None:
    """Long texts that another source holds out; within one source, and short ones, are no leak by text."""
    meld, da, mustard, sims = (tasks()[name] for name in ("MELD", "MELD-DA", "MUStARD", "Ch-sims"))
    said = "Oh, I don't think\u2026 it's him."
    table(root, "MELD", "train", ("MELD_0_1", "Hi", "joy"), ("MELD_0_4", "oh i DON'T think its him -", "joy"),
          ("MELD_0_5", said.upper(), "joy"), ("MELD_0_6", "It is not him, Joey.", "joy"),
          ("MELD_0_7", "Who is it that you see there?", "joy"))  # fmt: skip
    table(root, "MUStARD", "test", ("1_1", said, "sarcastic"), ("1_2", "It is not him, Joey!", "sincere"))
    table(root, "MELD-DA", "dev", ("MELD-DA_5_5", "Who is it that you see there", "question"))
    others = [meld, da, mustard, sims]
    rule = LongEnough()
    assert leaked_ids(meld, others, root, text=rule) == {"MELD_0_1", "MELD_0_4", "MELD_0_5"}
    assert leaked_ids(meld, others, root) == {"MELD_0_1"}
    assert leaked_ids(meld, [meld, mustard], root, text=LongEnough(words=5)) == {"MELD_0_4", "MELD_0_5", "MELD_0_6"}
    assert leaked_ids(meld, [meld], root, text=rule) == set()
    assert leaked([meld], others, root, text=rule)[meld].told == {"MELD_0_7"}


@needs_mmla
def test_what_the_benchmark_has_in_common_by_text() -> None:
    meld, mustard = (benchmark_tasks("mmla")[name] for name in ("MELD", "MUStARD"))
    report = examine(MMLA / "text", [mustard], VIDEO_ROOT)
    found = {(leak.split, leak.train): leak for leak in report.text_leaks}
    assert found["test", "MELD"] == TextLeak("MUStARD", "test", 138, "MELD", 26, within=False)
    assert found["dev", "MELD"].text == 34
    assert len(leaked_ids(meld, [mustard], MMLA / "text", text=LongEnough())) == 59


@needs_mmla
def test_the_benchmarks_leaked_samples() -> None:
    everything = list(benchmark_tasks("mmla").values())
    there = [task for task in everything if task.name not in ("MIntRec2.0", "UR-FUNNY")]  # no training split
    sizes = {task.name: len(one.ids) for task, one in leaked(there, everything, MMLA / "text").items()}
    assert {name: size for name, size in sizes.items() if size} == {
        "MELD": 2997, "IEMOCAP": 445 + 966, "IEMOCAP-DA": 350 + 1113
    }  # fmt: skip
    by_text = leaked(there, everything, MMLA / "text", text=LongEnough())
    assert {task.name: len(one.by_text) for task, one in by_text.items() if one.by_text} == {
        "MELD": 44, "IEMOCAP": 1, "MELD-DA": 44, "IEMOCAP-DA": 2, "MUStARD": 27
    }  # fmt: skip
    assert {task.name: len(one.ids) for task, one in by_text.items() if one.by_id} == {
        "MELD": 2997 + 44, "IEMOCAP": 445 + 966 + 1, "IEMOCAP-DA": 350 + 1113 + 2
    }  # fmt: skip
