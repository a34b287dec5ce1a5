"""Runs that differ in their seed alone, put together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.scores.compare.comparison import compare
from orchestrator.scores.compare.entry import Options
from orchestrator.scores.compare.remarks import remarks
from orchestrator.scores.compare.runs import Run
from tests.scores.compare.comparing import read, score
from tests.scores.compare.made import samples, settings, write_run

near = pytest.approx


def seeds(folder: Path, several: Mapping[str, int], **more: Any) -> list[Run]:
    """Runs of the given seeds and numbers of right answers among ten, whose CSVs tell the settings."""
    paths = []
    for seed, (name, right) in enumerate(several.items(), start=1):
        given = samples("joke " * 10, "joke " * right + "fact " * (10 - right))
        paths.append(write_run(folder, name, {"UR-FUNNY": given, "MUStARD": given}, seed=seed))
    runs, _ = read(*paths)
    for seed, run in enumerate(runs, start=1):
        for row in run.rows.values():
            row["settings"] = settings(seed=seed, **more)
    return runs


def test_seeds_are_put_together(tmp_path: Path) -> None:
    runs = [
        *seeds(tmp_path, {"x-seed1": 4, "x-seed2": 6, "x-seed3": 5}),
        *seeds(tmp_path, {"y-seed1": 7, "y-seed2": 9}, train__epochs=9),
    ]
    found = compare(runs, tasks(), Options(seeds=True))
    assert [(column.name, len(column.runs)) for column in found.columns] == [("x", 3), ("y", 2)]
    x, y = score(found, "UR-FUNNY", "x"), score(found, "UR-FUNNY", "y")
    assert (x.value, x.deviation, x.seeds, x.difference) == (near(50), near(10), 3, None)
    assert (y.value, y.deviation, y.seeds) == (near(80), near(200**0.5), 2)
    assert (y.difference, y.paired, y.p, y.only_run) == (near(30), True, None, None)
    assert y.difference_low is not None
    assert y.difference_high is not None
    assert y.difference_low < 30 < y.difference_high
    assert score(found, "overall", "y").difference == near(30)
    assert found.differs == {"seed": ["1, 2, 3", "1, 2"], "train.epochs": ["default", "9"]}
    said = remarks(found)
    assert any(line.startswith("Scores are means over seeds (3 of `x`, 2 of `y`)") for line in said)
    assert any(line.startswith("`x`, `y`: fewer than 5 seeds") for line in said)


def test_five_seeds(tmp_path: Path) -> None:
    names = {f"x-seed{seed}": 5 + seed % 2 for seed in range(1, 6)}
    runs = [*seeds(tmp_path, {f"y{name}": 9 for name in names}), *seeds(tmp_path, names, train__epochs=9)]
    found = compare(runs, tasks(), Options(seeds=True))
    assert found.differs == {"train.epochs": ["default", "9"]}
    x = score(found, "MUStARD", "x")
    assert x.difference == near(56 - 90)
    assert x.difference_low is not None
    assert x.difference_low < -34
    assert not any("fewer than 5 seeds" in line for line in remarks(found))
    assert any(line.startswith("From 5 seeds on, intervals draw seeds, too") for line in remarks(found))


def test_seeds_are_put_together_only_where_this_is_asked_for(tmp_path: Path) -> None:
    runs = seeds(tmp_path, {"x-seed1": 4, "x-seed2": 6})
    assert "Some runs differ in their seed alone: --seeds puts these together." in remarks(
        compare(runs, tasks(), Options())
    )
    (column,) = compare(runs, tasks(), Options(seeds=True)).columns
    assert (column.name, len(column.runs)) == ("x", 2)


def test_the_same_seed_twice_and_settings_that_are_not_told(tmp_path: Path) -> None:
    runs = seeds(tmp_path, {"x": 4, "y": 6})
    for run in runs:
        for row in run.rows.values():
            row |= {"seed": 1, "settings": "{}"}
    with pytest.raises(InputError, match="`x` and `y` have the same settings and the same seed"):
        compare(runs, tasks(), Options(seeds=True))
    for row in runs[1].rows.values():
        row |= {"seed": 2, "settings": None}
    found = compare(runs, tasks(), Options(seeds=True))
    assert [column.name for column in found.columns] == ["x", "y"]
    assert any("`y`: the CSV does not tell the run's settings" in line for line in remarks(found))
