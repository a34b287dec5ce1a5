from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.scores.answer_file import answers_path, read_answers, write_answers
from orchestrator.scores.compare.runs import read_runs
from orchestrator.scores.compare.sources import find_sources
from tests.scores.compare.comparing import read
from tests.scores.compare.made import samples, write_run, write_runs

SAID = samples("joy joy anger anger fear", "joy unknown multi empty error")
TASKS = {"MELD": SAID, "MOSI": samples("pos neg", "pos pos")}


def test_answers_as_numbers(tmp_path: Path) -> None:
    (run,), notes = read(write_run(tmp_path, "a", TASKS))
    assert (run.name, list(run.rows), notes) == ("a", ["MELD", "MOSI"], [])
    assert run.overall is not None
    assert run.answers is not None
    meld = run.answers["MELD"]
    assert meld.ids == ("s0", "s1", "s2", "s3", "s4")
    assert [meld.label(place) for place in range(5)] == ["joy", "joy", "anger", "anger", "fear"]
    assert [meld.word(place) for place in range(5)] == ["joy", "unknown", "multi", "empty", "error"]
    assert meld.right == 1
    assert meld.texts == {1: "no idea", 2: "joy or anger", 3: " "}


def test_answers_in_another_order_with_other_labels(tmp_path: Path) -> None:
    (run,), _ = read(write_run(tmp_path, "a", TASKS))
    assert run.answers is not None
    meld = run.answers["MELD"]
    turned = meld.ordered(("s4", "s0", "s2", "s1", "s3")).coded(["x", "fear", "joy", "anger"])
    assert [turned.word(place) for place in range(5)] == ["error", "joy", "multi", "unknown", "empty"]
    assert [turned.label(place) for place in range(5)] == ["fear", "joy", "anger", "joy", "anger"]
    assert turned.truth.tolist() == [1, 2, 3, 2, 3]
    assert turned.texts == {3: "no idea", 2: "joy or anger", 4: " "}
    assert turned.right == 1


def test_runs_of_a_sweep_and_only_some_tasks(tmp_path: Path) -> None:
    path = write_runs(tmp_path / "sweep.csv", {"s-1": TASKS, "s-2": {"MELD": SAID}})
    sources, _ = find_sources([str(path)], tmp_path)
    runs, _ = read_runs(sources, ["MOSI"])
    assert [(run.name, list(run.rows)) for run in runs] == [("s-1", ["MOSI"]), ("s-2", [])]
    assert runs[1].overall is None


def test_a_csv_alone(tmp_path: Path) -> None:
    path = write_run(tmp_path, "a", TASKS)
    answers_path(path).unlink()
    (run,), notes = read(path)
    assert (run.answers, notes) == (None, [])


@pytest.mark.parametrize(
    ("one", "two", "names"),
    [
        ("new/a.csv", "old/a.csv", ["new/a", "old/a"]),
        ("a.csv", "a.0123456789ab.csv", ["a", "a.0123456789ab"]),
        ("x/new/a.csv", "y/new/b.csv", ["a", "b"]),
        ("x/new/a.csv", "y/new/a.csv", ["x/new/a.csv:a", "y/new/a.csv:a"]),
    ],
)
def test_names_of_runs_that_are_called_alike(tmp_path: Path, one: str, two: str, names: list[str]) -> None:
    paths = [write_runs(tmp_path / name, {"a": TASKS}) for name in (one, two)]
    runs, _ = read(*paths)
    assert [run.name.replace(f"{tmp_path}/", "") for run in runs] == names


def test_answers_of_other_results_are_refused(tmp_path: Path) -> None:
    path, other = (write_run(tmp_path, name, TASKS) for name in "ab")
    rows = list(read_answers(answers_path(other)))
    for row in rows:
        row["recipe"] = "a"
    # one more right answer to MELD, and one answer less to MOSI
    rows[1] |= {"parsed": "joy", "outcome": "label"}
    write_answers(answers_path(path), rows[:-1])
    with pytest.raises(InputError) as told:
        read(path)
    assert [(problem.message, problem.where) for problem in told.value.problems] == [
        (f"these are not the answers of `a` to {said}", str(answers_path(path)))
        for said in (
            "MELD: 40.00 % right answers, but in a.csv acc is 20.00",
            "MOSI: 1 answers, but in a.csv n is 2",
        )
    ]
    (run,), notes = read(path, anyway=True)
    assert run.answers is None
    assert notes == ["a: its answers are not those of its results, and were left out"]
    write_answers(answers_path(path), rows[:5])
    with pytest.raises(InputError, match=r"no answers of `a` to MOSI, but a\.csv has its results"):
        read(path)


@pytest.mark.parametrize("said", ["fear joy anger anger", "joy unknown anger anger", "multi joy anger anger"])
def test_answers_of_another_run_with_as_many_right_ones_are_refused(tmp_path: Path, said: str) -> None:
    truth = "joy joy anger anger"
    path = write_run(tmp_path, "a", {"MELD": samples(truth, "joy anger anger anger")})
    other = write_run(tmp_path / "other", "a", {"MELD": samples(truth, said)})
    answers_path(path).write_bytes(answers_path(other).read_bytes())
    with pytest.raises(
        InputError, match=r"not the answers of `a` to MELD: a macro F1 of .*, but in a\.csv f1 is 73\.33"
    ):
        read(path)
    read(other)


def test_damaged_answers_are_told_with_their_line(tmp_path: Path) -> None:
    path = write_run(tmp_path, "a", TASKS)
    file = answers_path(path)
    lines = gzip.decompress(file.read_bytes()).decode().splitlines(keepends=True)

    def told(text: str) -> str:
        file.write_bytes(gzip.compress(text.encode()))
        with pytest.raises(InputError) as error:
            read(path)
        return str(error.value)

    assert f"{file}:7: " in told("".join(lines)[:-20])
    twice = told("".join([*lines[:2], lines[0]]))
    assert f"{file}:3: `a` has two answers to the sample `s0` of MELD: the first is on line 1" in twice
    assert f"{file}:1: not a sample's answer" in told(lines[0].replace('"outcome": "label"', '"outcome": "lable"'))
    assert f"{file}:2: not a sample's answer" in told(lines[0] + lines[1].replace('"label": "joy"', '"label": null'))
    for key, value in (("recipe", "[]"), ("task", "{}"), ("id", "5"), ("parsed", "[]"), ("answer", "1")):
        bad = re.sub(rf'"{key}": "[^"]*"', f'"{key}": {value}', lines[0])
        assert f"{file}:2: not a sample's answer: `" in told(lines[1] + bad)
    label, unknown = '"outcome": "label"', '"outcome": "unknown"'
    assert "outcome `unknown` where parsed is `joy`" in told(lines[0].replace(label, unknown))
    assert "outcome `label` where parsed is nothing" in told(lines[1].replace(unknown, label))
    content = gzip.compress("".join(lines).encode())
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="the answers cannot be read"):
        read(path)
