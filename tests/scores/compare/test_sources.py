from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.results import read_results, write_results
from tests.scores.compare.made import samples, write_run, write_runs

ONE = {"MELD": samples("joy anger", "joy joy")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b", "a"):
        write_run(tmp_path, name, ONE)
    write_runs(tmp_path / "sweep.csv", {"s-seed1": ONE, "s-seed2": ONE})
    return tmp_path


def names(folder: Path, *named: object) -> list[str]:
    return [source.recipe for source in find_sources([str(name) for name in named], folder)[0]]


def test_files_folders_patterns_and_names(folder: Path) -> None:
    assert names(folder, folder / "b.csv", folder / "a.csv") == ["b", "a"]
    assert names(folder, folder) == ["a", "b", "s-seed1", "s-seed2"]
    assert names(folder, folder / "[ab].csv") == ["a", "b"]
    assert names(folder, folder / "**" / "s*.csv") == ["s-seed1", "s-seed2"]
    assert names(folder, "b", "a") == ["b", "a"]
    assert names(folder, "sweep") == ["s-seed1", "s-seed2"]
    assert names(folder, "s-seed2") == ["s-seed2"]
    assert names(folder, answers_path(folder / "a.csv")) == ["a"]


def test_each_run_once_in_the_order_given(folder: Path) -> None:
    link = folder / "sub" / "again.csv"
    link.parent.mkdir()
    link.symlink_to(folder / "a.csv")
    assert names(folder, "s-seed2", folder, link, folder / "a.csv") == ["s-seed2", "a", "b", "s-seed1"]


def test_what_was_moved_aside_is_meant_only_where_it_is_named(folder: Path) -> None:
    aside = write_runs(folder / "a.0123456789ab.csv", {"a": ONE})
    # a recipe's name may hold a dot
    write_run(folder, "qwen2.5", ONE)
    sources, notes = find_sources([str(folder)], folder)
    assert [source.path.name for source in sources] == ["a.csv", "b.csv", "qwen2.5.csv", "sweep.csv", "sweep.csv"]
    assert notes == [f"{aside} is left out: a later run moved it aside (name the file itself to compare it)"]
    assert [source.path for source in find_sources([str(aside)], folder)[0]] == [aside]


def test_other_files_of_a_folder_are_left_out_and_told(folder: Path) -> None:
    other = folder / "c.csv"
    other.write_text("a,b\n1,2\n")
    sources, notes = find_sources([str(folder)], folder)
    assert [source.recipe for source in sources] == ["a", "b", "s-seed1", "s-seed2"]
    assert notes == [f"{other} is left out: it is no results CSV"]
    with pytest.raises(InputError, match=r"c\.csv: not a results CSV: no column run_id"):
        find_sources([str(other)], folder)


def test_a_damaged_file_of_a_folder_is_refused(folder: Path) -> None:
    path = folder / "a.csv"
    path.write_text(path.read_text() + "torn,line\n")
    with pytest.raises(InputError, match=r"a\.csv:3: 2 fields"):
        find_sources([str(folder)], folder)


def test_what_is_not_there_is_told_all_at_once(folder: Path) -> None:
    (folder / "empty").mkdir()
    named = ["s-seed3", str(folder / "x.csv"), str(folder / "x*.csv"), str(folder / "empty")]
    with pytest.raises(InputError) as told:
        find_sources(named, folder)
    messages = [(problem.message, problem.where) for problem in told.value.problems]
    assert messages == [
        ("no such file, and no run of this name", "s-seed3"),
        ("no such file, and no run of this name", str(folder / "x.csv")),
        ("no results CSV there", str(folder / "x*.csv")),
        ("no results CSV there", str(folder / "empty")),
    ]
    assert told.value.problems[0].hint in ("did you mean `s-seed1`?", "did you mean `s-seed2`?")
    assert told.value.problems[1].hint.endswith(f"the name of a run in {folder}")


def test_rows_that_are_there_twice(folder: Path) -> None:
    path = folder / "a.csv"
    header, line = path.read_text().splitlines()
    path.write_text(f"{header}\n{line}\n{line}\n")
    with pytest.raises(InputError, match="the run `a` has two rows of MELD"):
        find_sources([str(path)], folder)
    path.write_text(f"{header}\n")
    with pytest.raises(InputError, match="it has no rows"):
        find_sources([str(path)], folder)


@pytest.mark.parametrize("column", ["n", "acc", "f1", "acc_ci_low", "acc_ci_high"])
@pytest.mark.parametrize("value", [None, -1, 101])
def test_a_row_without_a_score_that_can_be_is_refused(folder: Path, column: str, value: int | None) -> None:
    path = folder / "a.csv"
    rows = read_results(path)
    write_results(path, [rows[0] | {column: 0 if column == "n" and value == 101 else value}])
    with pytest.raises(InputError, match=f"the row of MELD of the run `a` has no {column} that can be"):
        find_sources([str(path)], folder)


def test_what_spreadsheets_leave_of_empty_rows_is_none(folder: Path) -> None:
    path = folder / "sweep.csv"
    lines = path.read_text().splitlines()
    blank = "," * lines[0].count(",")
    path.write_text("\r\n".join([lines[0], blank, *lines[1:], "", blank, blank]), "utf-8-sig")
    assert names(folder, path) == ["s-seed1", "s-seed2"]
    path.write_text("\n".join([lines[0], blank]))
    with pytest.raises(InputError, match="it has no rows"):
        find_sources([str(path)], folder)


def test_a_row_of_no_task_is_refused(folder: Path) -> None:
    path = folder / "a.csv"
    write_results(path, [row | {"task": None} for row in read_results(path)])
    with pytest.raises(InputError, match="the row of no task of the run `a` has no task that can be"):
        find_sources([str(path)], folder)


@pytest.mark.parametrize(("old", "new", "encoding"), [(",", ";", "utf-8"), (",", "\t", "utf-16")])
def test_a_file_that_a_spreadsheet_saved_otherwise(folder: Path, old: str, new: str, encoding: str) -> None:
    path = folder / "a.csv"
    path.write_text(path.read_text().replace(old, new), encoding)
    with pytest.raises(InputError, match=r"not a results CSV: .*\n.*in UTF-8 with commas; spreadsheets may save it"):
        find_sources([str(path)], folder)
