"""Comparisons that are worked by hand. UR-FUNNY and MUStARD have no dialogues, MOSI has."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.scores.compare.comparison import compare
from orchestrator.scores.compare.entry import KEYS, Entry, Options
from orchestrator.scores.compare.flips import Flip, flips
from orchestrator.scores.compare.remarks import remarks
from tests.scores.compare.comparing import compared, read, score
from tests.scores.compare.made import samples, write_run

near = pytest.approx
TRUTH = "joke " * 5 + "fact " * 5
# right: the first two; the first eight; the last one alone
LOW = samples(TRUTH, "joke joke" + " unknown" * 8)
HIGH = samples(TRUTH, "joke " * 5 + "fact " * 3 + "unknown " * 2)
LAST = samples(TRUTH, "unknown " * 9 + "fact")


def test_two_runs_of_one_task(tmp_path: Path) -> None:
    found = compared(tmp_path, {"a": {"UR-FUNNY": LOW}, "b": {"UR-FUNNY": HIGH}})
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
    found = compared(tmp_path, runs)
    ps = {(task, run): score(found, task, run).p for task in ("UR-FUNNY", "MUStARD") for run in "bc"}
    # c against a in MUStARD: eight alone against one alone
    nine = 2 * (1 + 9) / 2**9 - 9 / 2**9
    assert ps == near({("UR-FUNNY", "b"): 1 / 64, ("MUStARD", "b"): 1, ("UR-FUNNY", "c"): 1, ("MUStARD", "c"): nine})
    holm = {key: score(found, *key).p_holm for key in ps}
    assert holm == near(
        {("UR-FUNNY", "b"): 4 / 64, ("MUStARD", "b"): 1, ("UR-FUNNY", "c"): 1, ("MUStARD", "c"): 3 * nine}
    )
    # the leaderboard's weights: 994 and 138 published test samples
    assert [score(found, "MUStARD", run).best for run in "abc"] == [True, True, False]
    b = score(found, "overall", "b")
    assert b.value == near(80)
    assert b.difference == near(60 * 994 / (994 + 138))
    assert (b.p, b.n, b.paired) == (None, 20, True)
    assert b.difference_low is not None
    assert score(found, "overall", "c").difference == near(-70 * 138 / (994 + 138))


def test_draws_that_are_too_few_for_so_many_tests_are_told(tmp_path: Path) -> None:
    truth = "joke " * 50 + "fact " * 50
    wrong, right = samples(truth, "fact " * 50 + "joke " * 50), samples(truth, truth)
    runs = {"a": {"UR-FUNNY": wrong}, **{f"b{number}": {"UR-FUNNY": right} for number in range(10)}}
    for draws, told in ((199, True), (200, False)):
        found = compared(tmp_path, runs, draws=draws)
        least = min(entry.p_holm or 1 for entry in found.entries.values() if entry.metric == "f1" and entry.p_holm)
        assert (least >= 0.05) is told
        said = [line for line in remarks(found) if "none can come below 0.05" in line]
        assert (
            said
            == [
                "Of 10 tests of macro F1 none can come below 0.05 with 199 swaps, however large the difference: "
                "--draws 200 is the least that could."
            ]
            * told
        )


def test_dialogues_are_flipped_as_one(tmp_path: Path) -> None:
    # three dialogues of two, in which b alone is right, always in both
    said = {"a": " ".join(["neg"] * 6), "b": " ".join(["pos"] * 6)}
    rows = {
        name: [(f"MOSI_v{place // 2}$_${place}", "pos", word) for place, word in enumerate(words.split())]
        for name, words in said.items()
    }
    found = compared(tmp_path, {name: {"MOSI": given} for name, given in rows.items()})
    b = score(found, "MOSI", "b")
    assert (b.test, b.p, b.p_exact) == ("sign-flip", near(2 / 2**3), None)
    assert found.dialogues == found.few == ("MOSI",)
    assert any("MOSI: fewer than 40 dialogues" in line for line in remarks(found))


def test_of_a_task_that_nobody_knows_here_it_is_said_that_dialogues_are_not_known(tmp_path: Path) -> None:
    runs = {name: {"MOSI": given, "Humour": given} for name, given in (("a", LOW), ("b", HIGH))}
    (said,) = [line for line in remarks(compared(tmp_path, runs)) if "not known here" in line]
    assert said.startswith("Humour: not known here, so that samples count as independent")
    assert "--data-root" in said
    # without pairs nothing is said of samples
    assert not [line for line in remarks(compared(tmp_path, runs, "b")) if "not known here" in line]
    known = {name: {"MOSI": given} for name, given in (("a", LOW), ("b", HIGH))}
    assert not [line for line in remarks(compared(tmp_path, known)) if "not known here" in line]


def test_a_csv_alone_is_compared_without_pairs(tmp_path: Path) -> None:
    # R. G. Newcombe 1998, table II: 56 of 70 and 48 of 80
    runs = {
        name: {"UR-FUNNY": samples("joke " * n, "joke " * right + "fact " * (n - right))}
        for name, n, right in (("a", 80, 48), ("b", 70, 56))
    }
    found = compared(tmp_path, runs, "b", anyway=True)
    b = score(found, "UR-FUNNY", "b")
    assert (b.paired, b.p, b.test, b.only_run) == (False, None, None, None)
    assert b.difference == near(20)
    assert (b.difference_low, b.difference_high) == (near(5.24, abs=0.01), near(33.39, abs=0.01))
    assert b.unlike == ("data", "n")
    assert found.unpaired == ("b",)
    assert [line for line in remarks(found) if "`b`: no answers to the same samples at hand" in line]


def test_only_the_runs_without_answers_are_unpaired(tmp_path: Path) -> None:
    runs = {name: {"UR-FUNNY": given, "MUStARD": given} for name, given in (("a", LOW), ("b", HIGH), ("c", HIGH))}
    found = compared(tmp_path, runs, "b")
    for task in found.rows:
        assert score(found, task, "b").paired is False
        assert score(found, task, "c").paired is True
        assert score(found, task, "b").difference == near(60)
        wide, narrow = (score(found, task, name) for name in "bc")
        assert wide.difference_low is not None
        assert narrow.difference_low is not None
    assert score(found, "MUStARD", "c").p_holm == near(2 / 64)
    none = compared(tmp_path, runs, "a")
    assert none.unpaired == ("a", "b", "c")
    assert any(line.startswith("The baseline has no file of answers") for line in remarks(none))
    assert {entry.paired for entry in none.entries.values()} == {None, False}


def test_tasks_that_not_all_have(tmp_path: Path) -> None:
    runs = {"a": {"UR-FUNNY": LOW, "MUStARD": LOW}, "b": {"MUStARD": HIGH, "MOSI": LOW}}
    found = compared(tmp_path, runs)
    assert (found.tasks, found.common, found.rows) == (
        ("UR-FUNNY", "MUStARD", "MOSI"), ("MUStARD",), ("UR-FUNNY", "MUStARD", "MOSI"))  # fmt: skip
    assert found.entry("UR-FUNNY", "b", "acc") is None
    assert score(found, "MOSI", "b").difference is None
    assert score(found, "MUStARD", "b").difference == near(60)
    assert "Not all runs have UR-FUNNY, MOSI." in remarks(found)
    for task in ("UR-FUNNY", "MUStARD", "MOSI"):
        runs["a"] = {**runs["a"], task: LOW}
    found = compared(tmp_path, runs)
    assert found.common == ("MUStARD", "MOSI")
    # the overall score is over these two alone: 138 and 686
    assert score(found, "overall", "b").value == near((138 * 80 + 686 * 20) / 824)
    assert score(found, "overall", "b").difference == near(138 * 60 / 824)
    assert "Not all runs have UR-FUNNY. Overall is over the 2 tasks that all have." in remarks(found)


def test_two_ways_to_answer_are_told(tmp_path: Path) -> None:
    ways = {"a": "greedy,max=32", "b": "labels,sum", "c": "labels,sum"}
    paths = {name: write_run(tmp_path, name, {"MOSI": LOW}, decoding=way) for name, way in ways.items()}

    def said(*names: str) -> list[str]:
        found = compare(read(*map(paths.__getitem__, names))[0], tasks(), Options())
        return [line for line in remarks(found) if "inference.answers: labels" in line]

    assert len(said("a", "b")) == 1
    assert said("b", "c") == []


def test_nothing_in_common(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no task in common") as told:
        compared(tmp_path, {"a": {"UR-FUNNY": LOW}, "b": {"MUStARD": LOW}})
    assert told.value.problems[0].hint == "a has UR-FUNNY; b has MUStARD"


def test_what_is_not_comparable_is_refused_or_marked(tmp_path: Path) -> None:
    runs = {"a": {"UR-FUNNY": LOW, "MUStARD": LOW}, "b": {"UR-FUNNY": HIGH[:9], "MUStARD": HIGH}}
    with pytest.raises(InputError) as told:
        compared(tmp_path, runs)
    assert [problem.message for problem in told.value.problems] == [
        told.value.problems[0].message, "these may not be compared"]  # fmt: skip
    assert told.value.problems[0].message.startswith("UR-FUNNY: `a` and `b` differ in ")
    assert told.value.problems[1].hint.startswith("--anyway")
    found = compared(tmp_path, runs, anyway=True)
    marks = {task: score(found, task, "b").unlike for task in found.rows}
    assert marks == {"UR-FUNNY": ("data", "n"), "MUStARD": (), "overall": ("data", "n")}
    assert {entry.unlike for entry in found.entries.values() if entry.column == "a"} == {()}
    assert score(found, "MUStARD", "b").paired is False
    assert remarks(found)[0].startswith("! marks what is not comparable")


def test_a_task_that_the_baseline_lacks_must_agree_among_the_others(tmp_path: Path) -> None:
    runs = {
        "a": {"UR-FUNNY": LOW},
        "b": {"UR-FUNNY": HIGH, "MUStARD": LOW, "MOSI": LOW},
        "c": {"UR-FUNNY": LAST, "MUStARD": HIGH[:9], "MOSI": HIGH},
    }
    with pytest.raises(InputError, match="MUStARD: `b` and `c` differ in the utterances"):
        compared(tmp_path, runs)
    found = compared(tmp_path, runs, anyway=True)
    marks = {(task, name): entry.unlike for (task, name, _), entry in found.entries.items() if entry.unlike}
    assert marks == {("MUStARD", "c"): ("data", "n")}
    # what they share with the baseline is paired all the same
    assert score(found, "UR-FUNNY", "c").paired is True


def test_a_fault_outside_of_the_overall_score_does_not_mark_it(tmp_path: Path) -> None:
    both = {"UR-FUNNY": LOW, "MUStARD": LOW}
    runs = {"a": both | {"MOSI": LOW}, "b": both | {"MOSI": LOW[:9]}, "c": both}
    found = compared(tmp_path, runs, anyway=True)
    assert score(found, "MOSI", "b").unlike == ("data", "n")
    assert score(found, "overall", "b").unlike == ()


def test_another_parser_is_marked_but_paired(tmp_path: Path) -> None:
    write_run(tmp_path, "a", {"UR-FUNNY": LOW})
    write_run(tmp_path, "b", {"UR-FUNNY": HIGH}, signature={"parser": "mmla-2"})
    found = compare(read(tmp_path / "a.csv", tmp_path / "b.csv")[0], tasks(), Options(anyway=True))
    assert (score(found, "UR-FUNNY", "b").unlike, score(found, "UR-FUNNY", "b").paired) == (("parser",), True)


def test_the_baseline_by_name(tmp_path: Path) -> None:
    runs = {name: {"UR-FUNNY": given} for name, given in (("a", LOW), ("b", HIGH), ("c", LAST))}
    found = compared(tmp_path, runs, baseline="b")
    assert [column.name for column in found.columns] == ["b", "a", "c"]
    assert score(found, "UR-FUNNY", "a").difference == near(-60)
    assert compared(tmp_path, runs, baseline=str(tmp_path / "c.csv")).columns[0].name == "c"
    with pytest.raises(InputError, match="no run `d` to be the baseline"):
        compared(tmp_path, runs, baseline="d")


def test_flips(tmp_path: Path) -> None:
    a = [("s1", "joke", "joke"), ("s2", "joke", "fact"), ("s3", "fact", "unknown"), ("s4", "fact", "multi")]
    b = [("s4", "fact", "fact"), ("s1", "joke", "error"), ("s2", "joke", "empty"), ("s3", "fact", "joke")]
    found = compared(tmp_path, {"a": {"UR-FUNNY": a}, "b": {"UR-FUNNY": b}, "c": {"UR-FUNNY": a}}, "c")
    assert flips(found) == [
        Flip("UR-FUNNY", "b", "s1", "joke", "joke", None, "error", None, gained=False),
        Flip("UR-FUNNY", "b", "s4", "fact", "multi", "joy or anger", "fact", None, gained=True),
    ]
    assert (score(found, "UR-FUNNY", "b").only_baseline, score(found, "UR-FUNNY", "b").only_run) == (1, 1)


def test_every_key_is_told() -> None:
    names = ["run" if name == "column" else name for name in Entry.__dataclass_fields__]
    assert list(KEYS) == names


TRUE = st.sampled_from(["joke", "fact", "other"])
WORDS = st.sampled_from(["joke", "fact", "unknown", "multi", "empty", "error"])


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from(["joke", "fact", "other"]), WORDS, WORDS), min_size=2, max_size=30), st.data()
)
def test_scores_are_those_of_the_csv(tmp_path: Path, said: list[tuple[str, str, str]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(said) - 1))
    # of tasks that nobody knows the samples count
    runs = {
        name: {
            task: [(f"s{at}", row[0], row[place]) for at, row in enumerate(part)]
            for task, part in (("one", said[:cut]), ("two", said[cut:]))
        }
        for place, name in ((1, "a"), (2, "b"))
    }
    found = compared(tmp_path, runs, draws=100)
    assert found.unpaired == ()
    assert "one, two: no published size, so overall counts the samples that there are." in remarks(found)
    for column in found.columns:
        (run,) = column.runs
        for task, row in {**run.rows, "overall": run.overall}.items():
            assert row is not None
            for metric in ("acc", "f1"):
                entry = score(found, task, column.name, metric)
                assert entry.value == near(row[metric], abs=0.005001)
                if entry.difference is not None:
                    base = score(found, task, "a", metric)
                    assert entry.difference == near(entry.value - base.value, abs=1e-9)
                if entry.difference_low is not None and entry.difference_high is not None:
                    assert -100 <= entry.difference_low <= entry.difference_high <= 100
