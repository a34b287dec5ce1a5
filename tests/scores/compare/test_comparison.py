"""Comparisons that are worked by hand. UR-FUNNY and MUStARD have no dialogues, MOSI has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.compare.comparison import Comparison, compare
from orchestrator.scores.compare.entry import KEYS, Entry, Options
from orchestrator.scores.compare.flips import Flip, flips
from orchestrator.scores.compare.remarks import remarks
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from tests.scores.compare.made import Samples, samples, settings, write_run

near = pytest.approx
TRUTH = "joke " * 5 + "fact " * 5
# right: the first two; the first eight; the last one alone
LOW = samples(TRUTH, "joke joke" + " unknown" * 8)
HIGH = samples(TRUTH, "joke " * 5 + "fact " * 3 + "unknown " * 2)
LAST = samples(TRUTH, "unknown " * 9 + "fact")


def read(*paths: Path) -> list[Run]:
    return read_runs(find_sources(list(map(str, paths)), Path("results"))[0])[0]


def made(folder: Path, runs: Mapping[str, Mapping[str, Samples]], *alone: str, **how: Any) -> Comparison:
    """The comparison of some runs; of those named `alone` there is the CSV only."""
    paths = [write_run(folder, name, tasks) for name, tasks in runs.items()]
    for name in alone:
        answers_path(folder / f"{name}.csv").unlink()
    return compare(read(*paths), tasks(), Options(**how))


def score(comparison: Comparison, task: str, column: str, metric: str = "acc") -> Entry:
    entry = comparison.entry(task, column, metric)
    assert entry is not None
    return entry


def test_two_runs_of_one_task(tmp_path: Path) -> None:
    found = made(tmp_path, {"a": {"UR-FUNNY": LOW}, "b": {"UR-FUNNY": HIGH}})
    assert (found.rows, found.unpaired, found.dialogues, found.few) == (("UR-FUNNY",), (), (), ("UR-FUNNY",))
    base, b = score(found, "UR-FUNNY", "a"), score(found, "UR-FUNNY", "b")
    assert (base.value, base.difference, base.p, base.best) == (20, None, None, False)
    # Wilson, as in the CSV
    assert (base.low, base.high) == (5.67, 50.98)
    assert (b.value, b.difference, b.best, b.paired) == (80, near(60), True, True)
    assert (b.only_run, b.only_baseline) == (6, 0)
    # six samples that one run alone got right: 2 / 2^6, and less half the chance of just that
    assert (b.p_exact, b.p, b.p_holm, b.test) == (near(2 / 64), near(1 / 64), near(1 / 64), "mcnemar")
    # of six, all must be the same run's: 1 of 5 would be 14 / 64
    assert b.least == 60
    assert b.difference_low is not None
    assert b.difference_high is not None
    assert 10 < b.difference_low < 60 < b.difference_high < 100
    f1, base_f1 = score(found, "UR-FUNNY", "b", "f1"), score(found, "UR-FUNNY", "a", "f1")
    # joke 2 * 5 / 10, fact 2 * 3 / 8, unknown 0; and joke 2 * 2 / 7, fact 0, unknown 0
    assert f1.value == near(100 * (1 + 0.75 + 0) / 3)
    assert base_f1.value == near(100 * (4 / 7 + 0 + 0) / 3)
    assert f1.difference == near(f1.value - base_f1.value)
    assert (f1.test, f1.only_run) == ("randomisation", None)
    assert f1.p is not None
    assert f1.p < 0.1


def test_holm_over_tasks_and_runs_and_the_overall_score(tmp_path: Path) -> None:
    runs = {
        "a": {"UR-FUNNY": LOW, "MUStARD": HIGH},
        "b": {"UR-FUNNY": HIGH, "MUStARD": HIGH},
        "c": {"UR-FUNNY": LOW, "MUStARD": LAST},
    }
    found = made(tmp_path, runs)
    ps = {(task, run): score(found, task, run).p for task in ("UR-FUNNY", "MUStARD") for run in "bc"}
    # c against a in MUStARD: eight alone against one alone
    nine = 2 * (1 + 9) / 2**9 - 9 / 2**9
    assert ps == near({("UR-FUNNY", "b"): 1 / 64, ("MUStARD", "b"): 1, ("UR-FUNNY", "c"): 1, ("MUStARD", "c"): nine})
    holm = {key: score(found, *key).p_holm for key in ps}
    assert holm == near(
        {("UR-FUNNY", "b"): 4 / 64, ("MUStARD", "b"): 1, ("UR-FUNNY", "c"): 1, ("MUStARD", "c"): 3 * nine}
    )
    # the leaderboard's weights: 994 and 138 published test samples
    b = score(found, "overall", "b")
    assert b.value == near(80)
    assert b.difference == near(60 * 994 / (994 + 138))
    assert (b.p, b.n, b.paired) == (None, 20, True)
    assert b.difference_low is not None
    assert score(found, "overall", "c").difference == near(-70 * 138 / (994 + 138))


def test_dialogues_are_flipped_as_one(tmp_path: Path) -> None:
    # three dialogues of two, in which b alone is right, always in both
    said = {"a": " ".join(["neg"] * 6), "b": " ".join(["pos"] * 6)}
    rows = {
        name: [(f"MOSI_v{place // 2}$_${place}", "pos", word) for place, word in enumerate(words.split())]
        for name, words in said.items()
    }
    found = made(tmp_path, {name: {"MOSI": given} for name, given in rows.items()})
    b = score(found, "MOSI", "b")
    assert (b.test, b.p, b.p_exact) == ("sign-flip", near(2 / 2**3), None)
    assert found.dialogues == found.few == ("MOSI",)
    assert any("MOSI: fewer than 40 dialogues" in line for line in remarks(found))


def test_a_csv_alone_is_compared_without_pairs(tmp_path: Path) -> None:
    # R. G. Newcombe 1998, table II: 56 of 70 and 48 of 80
    runs = {
        name: {"UR-FUNNY": samples("joke " * n, "joke " * right + "fact " * (n - right))}
        for name, n, right in (("a", 80, 48), ("b", 70, 56))
    }
    found = made(tmp_path, runs, "b", anyway=True)
    b = score(found, "UR-FUNNY", "b")
    assert (b.paired, b.p, b.test, b.only_run) == (False, None, None, None)
    assert b.difference == near(20)
    assert (b.difference_low, b.difference_high) == (near(5.24, abs=0.01), near(33.39, abs=0.01))
    assert b.unlike == ("data", "n")
    assert found.unpaired == ("b",)
    assert [line for line in remarks(found) if "`b`: no answers to the same samples at hand" in line]


def test_only_the_runs_without_answers_are_unpaired(tmp_path: Path) -> None:
    runs = {name: {"UR-FUNNY": given, "MUStARD": given} for name, given in (("a", LOW), ("b", HIGH), ("c", HIGH))}
    found = made(tmp_path, runs, "b")
    for task in found.rows:
        assert score(found, task, "b").paired is False
        assert score(found, task, "c").paired is True
        assert score(found, task, "b").difference == near(60)
        wide, narrow = (score(found, task, name) for name in "bc")
        assert wide.difference_low is not None
        assert narrow.difference_low is not None
    assert score(found, "MUStARD", "c").p_holm == near(2 / 64)
    none = made(tmp_path, runs, "a")
    assert none.unpaired == ("a", "b", "c")
    assert any(line.startswith("The baseline has no file of answers") for line in remarks(none))
    assert {entry.paired for entry in none.entries.values()} == {None, False}


def test_tasks_that_not_all_have(tmp_path: Path) -> None:
    runs = {"a": {"UR-FUNNY": LOW, "MUStARD": LOW}, "b": {"MUStARD": HIGH, "MOSI": LOW}}
    found = made(tmp_path, runs)
    assert (found.tasks, found.common, found.rows) == (
        ("UR-FUNNY", "MUStARD", "MOSI"), ("MUStARD",), ("UR-FUNNY", "MUStARD", "MOSI"))  # fmt: skip
    assert found.entry("UR-FUNNY", "b", "acc") is None
    assert score(found, "MOSI", "b").difference is None
    assert score(found, "MUStARD", "b").difference == near(60)
    assert "Not all runs have UR-FUNNY, MOSI." in remarks(found)
    for task in ("UR-FUNNY", "MUStARD", "MOSI"):
        runs["a"] = {**runs["a"], task: LOW}
    found = made(tmp_path, runs)
    assert found.common == ("MUStARD", "MOSI")
    # the overall score is over these two alone: 138 and 686
    assert score(found, "overall", "b").value == near((138 * 80 + 686 * 20) / 824)
    assert score(found, "overall", "b").difference == near(138 * 60 / 824)
    assert "Not all runs have UR-FUNNY. Overall is over the 2 tasks that all have." in remarks(found)


def test_nothing_in_common(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no task in common") as told:
        made(tmp_path, {"a": {"UR-FUNNY": LOW}, "b": {"MUStARD": LOW}})
    assert told.value.problems[0].hint == "a has UR-FUNNY; b has MUStARD"


def test_what_is_not_comparable_is_refused_or_marked(tmp_path: Path) -> None:
    runs = {"a": {"UR-FUNNY": LOW, "MUStARD": LOW}, "b": {"UR-FUNNY": HIGH[:9], "MUStARD": HIGH}}
    with pytest.raises(InputError) as told:
        made(tmp_path, runs)
    assert [problem.message for problem in told.value.problems] == [
        told.value.problems[0].message, "these may not be compared"]  # fmt: skip
    assert told.value.problems[0].message.startswith("UR-FUNNY: `a` and `b` differ in ")
    assert told.value.problems[1].hint.startswith("--anyway")
    found = made(tmp_path, runs, anyway=True)
    marks = {task: score(found, task, "b").unlike for task in found.rows}
    assert marks == {"UR-FUNNY": ("data", "n"), "MUStARD": (), "overall": ("data", "n")}
    assert {entry.unlike for entry in found.entries.values() if entry.column == "a"} == {()}
    assert score(found, "MUStARD", "b").paired is False
    assert remarks(found)[0].startswith("! marks what is not comparable")


def test_another_parser_is_marked_but_paired(tmp_path: Path) -> None:
    write_run(tmp_path, "a", {"UR-FUNNY": LOW})
    write_run(tmp_path, "b", {"UR-FUNNY": HIGH}, signature={"parser": "mmla-2"})
    found = compare(read(tmp_path / "a.csv", tmp_path / "b.csv"), tasks(), Options(anyway=True))
    assert (score(found, "UR-FUNNY", "b").unlike, score(found, "UR-FUNNY", "b").paired) == (("parser",), True)


def test_the_baseline_by_name(tmp_path: Path) -> None:
    runs = {name: {"UR-FUNNY": given} for name, given in (("a", LOW), ("b", HIGH), ("c", LAST))}
    found = made(tmp_path, runs, baseline="b")
    assert [column.name for column in found.columns] == ["b", "a", "c"]
    assert score(found, "UR-FUNNY", "a").difference == near(-60)
    assert made(tmp_path, runs, baseline=str(tmp_path / "c.csv")).columns[0].name == "c"
    with pytest.raises(InputError, match="no run `d` to be the baseline"):
        made(tmp_path, runs, baseline="d")


def seeds(folder: Path, several: Mapping[str, int], **more: Any) -> list[Run]:
    """Runs of the given seeds and numbers of right answers among ten, whose CSVs tell the settings."""
    paths = []
    for seed, (name, right) in enumerate(several.items(), start=1):
        given = samples("joke " * 10, "joke " * right + "fact " * (10 - right))
        paths.append(write_run(folder, name, {"UR-FUNNY": given, "MUStARD": given}, seed=seed))
    runs = read(*paths)
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


def test_flips(tmp_path: Path) -> None:
    a = [("s1", "joke", "joke"), ("s2", "joke", "fact"), ("s3", "fact", "unknown"), ("s4", "fact", "multi")]
    b = [("s4", "fact", "fact"), ("s1", "joke", "error"), ("s2", "joke", "empty"), ("s3", "fact", "joke")]
    found = made(tmp_path, {"a": {"UR-FUNNY": a}, "b": {"UR-FUNNY": b}, "c": {"UR-FUNNY": a}}, "c")
    assert flips(found) == [
        Flip("UR-FUNNY", "b", "s1", "joke", "joke", None, "error", None, gained=False),
        Flip("UR-FUNNY", "b", "s4", "fact", "multi", "joy or anger", "fact", None, gained=True),
    ]
    assert (score(found, "UR-FUNNY", "b").only_baseline, score(found, "UR-FUNNY", "b").only_run) == (1, 1)


def test_every_key_is_told() -> None:
    names = ["run" if name == "column" else name for name in Entry.__dataclass_fields__]
    assert list(KEYS) == names
