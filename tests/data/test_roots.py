"""Where data is not, and what is said of it: once."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.benchmark.task import Task, benchmark_tasks, tasks
from orchestrator.data.roots import missing, no_data
from tests.tables import table

ALL = list(benchmark_tasks("mmla").values())
THREE = [tasks()[name] for name in ("MELD", "MOSI", "Ch-sims")]


def told(root: Path, chosen: list[Task]) -> str:
    problem = no_data(chosen, root)
    assert problem is not None
    return str(problem)


def test_a_root_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = tmp_path / "none"
    message = told(none, ALL)
    assert message.startswith(f"{none}: the data folder does not exist\n    get it with `python -m orchestrator data ")
    assert f"data download --out {none}`" in message
    assert "--set data.root=DIR" in message
    monkeypatch.delenv("MMLA_DATA_ROOT", raising=False)
    assert told(none, ALL).endswith(", or the variable MMLA_DATA_ROOT")
    monkeypatch.setenv("MMLA_DATA_ROOT", "/other")
    assert told(none, ALL).endswith("; it counts before the variable MMLA_DATA_ROOT, which is /other")
    monkeypatch.chdir(tmp_path)
    assert f"none: the data folder does not exist (looked for from {tmp_path})" in told(Path("none"), ALL)
    (tmp_path / "file").touch()
    assert "the data folder cannot be read: Not a directory" in told(tmp_path / "file", ALL)
    assert "python -m orchestrator.data.demo" in told(none, [tasks()["demo"]])


def test_a_root_without_data(tmp_path: Path) -> None:
    assert "no data for any of 12 tasks in the data folder: it is empty" in told(tmp_path, ALL)
    for name in ("papers", "notes.txt", ".hidden", *"abcdefgh"):
        (tmp_path / name).mkdir()
    message = told(tmp_path, THREE)
    assert "no data for MELD, MOSI, Ch-sims (or CH-SIMSv2.0) in the data folder: it holds a, b, c" in message
    assert "h and 2 more" in message


@pytest.mark.parametrize("deeper", ["MMLA", "MMLA/text"])
def test_the_data_lies_deeper(tmp_path: Path, deeper: str) -> None:
    for name in ("MELD", "MOSI"):
        table(tmp_path / deeper, name, "test", ("1", "Hi", "joy"))
    table(tmp_path / "AAA", "MELD", "test", ("1", "Hi", "joy"))  # the folder with most of the tasks is meant
    assert f"in it, but in {tmp_path / deeper}\n    name that folder: --set data.root=" in told(tmp_path, THREE)
    assert f"in it, but in {tmp_path / deeper}\n" in told(tmp_path / deeper / "MELD", THREE)


def test_a_folder_is_missing_among_others(tmp_path: Path) -> None:
    table(tmp_path, "MELD", "test", ("1", "Hi", "joy"))
    (tmp_path / "MOSII").mkdir()
    (tmp_path / "CH-SIMSv2.0").mkdir()
    (tmp_path / "CH-SIMSv2.0" / "notes.txt").touch()
    message = told(tmp_path, THREE)
    assert "no data for MOSI, Ch-sims (or CH-SIMSv2.0), only for MELD" in message
    assert "its folder must be called MOSI: did you mean `MOSII`?" in message
    assert "CH-SIMSv2.0 holds notes.txt: no train.tsv, dev.tsv or test.tsv in it" in message
    assert no_data(THREE[:1], tmp_path) is None
    one = missing(THREE[0], "train", tmp_path)
    assert "no train data for MELD: looked for MELD/train.tsv (or .json, .jsonl); there: MELD/test.tsv" in one.message
