"""Training samples that stand in another split."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.benchmark.task import benchmark_tasks, tasks
from orchestrator.data.leaks import leaked_ids, source_id
from tests.shared import MMLA, needs_mmla
from tests.tables import with_leaks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return with_leaks(tmp_path)


def test_leaked(root: Path) -> None:
    meld, da, mosi = (tasks()[name] for name in ("MELD", "MELD-DA", "MOSI"))
    assert leaked_ids(meld, [da, mosi], root) == {"MELD_0_1"}
    assert leaked_ids(da, [meld], root) == set()
    assert leaked_ids(mosi, [meld, da], root) == set()
    strip = source_id(da)
    assert [strip(name) for name in ("MELD-DA_0_9", "meld_0_9.mp4", "0_9", "MELD_x_0_9")] == ["0_9"] * 3 + ["x_0_9"]


@needs_mmla
def test_the_benchmarks_leaked_samples() -> None:
    everything = list(benchmark_tasks("mmla").values())
    sizes = {task.name: len(leaked_ids(task, everything, MMLA / "text")) for task in everything if task.name not in
             ("MIntRec2.0", "UR-FUNNY")}  # fmt: skip
    assert {name: size for name, size in sizes.items() if size} == {
        "MELD": 2997, "IEMOCAP": 445 + 966, "IEMOCAP-DA": 350 + 1113
    }  # fmt: skip
