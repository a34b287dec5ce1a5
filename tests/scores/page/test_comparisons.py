"""The comparisons of the page: those of `compare`, drawn at the right places, with what was left out and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.scores.compare.comparison import compare
from orchestrator.scores.compare.entry import Options
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.page.comparisons import Axis, axis, check_baseline, forest
from tests.scores.compare.made import samples, write_run

TRUTH = "joy anger " * 30
WORSE = "joy joy " * 20 + "joy anger " * 10
MOSI = {"MOSI": samples("positive negative " * 5, "positive positive " * 5, "m")}
OPTIONS = Options(draws=200)


def runs_of(folder: Path) -> list[Run]:
    paths = [
        write_run(folder, "base", {"MELD": samples(TRUTH, TRUTH)} | MOSI),
        write_run(folder, "worse", {"MELD": samples(TRUTH, WORSE)} | MOSI),
        write_run(folder, "part", {"MELD": samples(TRUTH, WORSE)}),
        write_run(folder, "other", {"MELD": samples(TRUTH, TRUTH, "x")} | MOSI),
        write_run(
            folder,
            "best",
            {"MELD": samples(TRUTH, TRUTH)}
            | {"MOSI": samples("positive negative " * 5, "positive negative " * 5, "m")},
        ),
    ]
    return read_runs(find_sources(list(map(str, paths)), folder)[0])[0]


def test_the_numbers_are_those_of_compare(tmp_path: Path) -> None:
    runs = runs_of(tmp_path)
    drawn = forest(runs, tasks(), OPTIONS)
    assert drawn is not None
    known = compare([run for run in runs if run.name in ("base", "worse", "best")], tasks(), OPTIONS)
    assert drawn.baseline == "base"
    assert [one.run for one in drawn.runs] == ["best", "worse"]
    for one in drawn.runs:
        assert [row[0] for row in one.rows] == ["MELD", "MOSI", "overall"]
        for task, acc, f1 in one.rows:
            assert (acc, f1) == (known.entry(task, one.run, "acc"), known.entry(task, one.run, "f1"))
    assert drawn.runs[1].rows[0][1].difference == pytest.approx(-100 / 3)


def test_what_cannot_be_compared_is_left_out_and_named(tmp_path: Path) -> None:
    drawn = forest(runs_of(tmp_path), tasks(), OPTIONS)
    assert drawn is not None
    first, second = drawn.left_out
    assert first == "part is not compared: it has no results of MOSI."
    assert second.startswith("other is not compared: MELD: `base` and `other` differ in the utterances")


def test_another_baseline(tmp_path: Path) -> None:
    runs = runs_of(tmp_path)
    drawn = forest(runs, tasks(), Options("worse", draws=200))
    assert drawn is not None
    assert (drawn.baseline, [one.run for one in drawn.runs]) == ("worse", ["best", "base"])
    check_baseline("worse", runs)
    with pytest.raises(InputError, match="did you mean `worse`"):
        check_baseline("wurse", runs)


def test_nothing_to_compare(tmp_path: Path) -> None:
    runs = runs_of(tmp_path)
    assert forest(runs[:1], tasks(), OPTIONS) is None
    assert forest([runs[0], runs[3]], tasks(), OPTIONS) is None
    assert forest([], tasks(), OPTIONS) is None


def test_places_on_the_axis(tmp_path: Path) -> None:
    drawn = forest(runs_of(tmp_path), tasks(), OPTIONS)
    assert drawn is not None
    assert [Axis(20).at(value) for value in (-20, 0, 5, 20)] == [0, 50, 62.5, 100]
    (worse,) = [one for one in drawn.runs if one.run == "worse"]
    lowest = worse.rows[0][1].difference_low
    assert lowest is not None
    assert worse.axis.limit % 5 == 0
    assert worse.axis.limit - 5 < -lowest <= worse.axis.limit
    assert axis([]).limit == 5
