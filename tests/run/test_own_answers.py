"""``score`` of a run's own answers: the labels come from the data that the run was of."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.run.place import Place
from tests.running import attempt, call, stage_folder

SAME = ("n", "acc", "f1", "precision", "recall", "wf1", "wp", "f1_labels", "unknown", "multi", "empty", "error")


def scored(*words: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in call("score", *words, "--json").splitlines() if line[0] == "{"]


def refused(*words: object) -> str:
    return call("score", *words, code=2)


def same(rows: list[dict[str, Any]], place: Place) -> None:
    kept = place.rows()
    for row in rows:
        assert {name: row[name] for name in SAME} == {name: kept[row["task"]][name] for name in SAME}


@pytest.fixture
def copied(calm: Place, tmp_path: Path) -> Path:
    """The undisturbed run's folder, to be changed."""
    return shutil.copytree(calm.folder / "runs", tmp_path / "runs") / "echoed"


def test_a_runs_folder_gives_its_results(calm: Place) -> None:
    rows = scored(calm.folder / "runs" / "echoed")
    assert [(row["recipe"], row["task"]) for row in rows] == [("echoed", name) for name in ("demo", "MELD", "overall")]
    same(rows, calm)


def test_a_stages_file_and_folder_and_a_jobs(calm: Place) -> None:
    stage = stage_folder(calm.folder, "infer", "MELD")
    for path in (stage / "predictions.jsonl", stage, stage.parent):
        (row,) = scored(path)
        assert (row["task"], row["file"]) == ("MELD", str(path))
        same([row], calm)


def test_one_task_of_a_run(calm: Place) -> None:
    (row,) = scored(calm.folder / "runs" / "echoed", "--task", "MELD")
    same([row], calm)
    said = refused(calm.folder / "runs" / "echoed", "--task", "MOSI")
    assert said.endswith("no answers to MOSI\n    it holds those to demo, MELD\n")


def test_it_says_where_the_labels_come_from(calm: Place) -> None:
    run = calm.folder / "runs" / "echoed"
    said = call("score", run)
    assert f"demo, test: answers from {run}, labels from the data in {calm.data}\n" in said
    assert said.splitlines()[2].startswith("echoed:") or "echoed:\n" in said


def test_answers_on_dev_are_scored_on_dev(place: Place) -> None:
    place.run("--set", "select.strategy=dev_accuracy")
    (folder, *_) = sorted(stage_folder(place.folder, "select").glob("checkpoint-*"))
    (row,) = scored(folder)
    step = folder.name.rpartition("-")[2]
    assert row["acc"] == place.stage("select")["outputs"]["accuracy_percent"][step]
    assert "demo, dev: answers from" in call("score", folder)


def test_of_several_inferences_the_newest_counts(place: Place) -> None:
    place.run("--set", "train.epochs=2")
    place.run()
    (row,) = scored(place.folder / "runs" / "echoed")
    same([row], place)
    folders = (place.folder / "runs" / "echoed" / "demo").glob("infer-*")
    other, newest = sorted(folders, key=lambda folder: (folder / "predictions.jsonl").stat().st_mtime)
    (note,) = [note for note in row["notes"] if "inferences" in note]
    assert note == f"demo has 2 inferences, of which this is the newest: {newest}; or name the other"
    (row,) = scored(other)
    assert not [note for note in row["notes"] if "inferences" in note]


def test_two_runs_are_scored_each(calm: Place, copied: Path) -> None:
    recipe = copied / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: echoed", "name: other"))
    rows = scored(calm.folder / "runs" / "echoed", copied)
    assert [(row["recipe"], row["task"]) for row in rows] == [
        (name, task) for name in ("echoed", "other") for task in ("demo", "MELD", "overall")
    ]
    assert "demo is in two files" in refused(copied, copied)


def test_what_has_no_answer_yet_is_left_out_and_said(copied: Path) -> None:
    (stage,) = (copied / "demo").glob("infer-*")
    lines = (stage / "predictions.jsonl").read_text().splitlines(keepends=True)
    (stage / "predictions.jsonl").write_text("".join(lines[:10]) + lines[10][:20])
    (row,) = scored(stage)
    assert row["n"] == 10
    assert row["notes"][0] == f"6 of 16 requests of {stage} have no answer yet: they are left out"
    (stage / "predictions.jsonl").write_text("")
    assert "no answers yet\n" in refused(stage)


def test_what_was_skipped_counts_as_an_error(copied: Path) -> None:
    (stage,) = (copied / "demo").glob("infer-*")
    for name in ("predictions.jsonl", "requests.jsonl"):
        lines = (stage / name).read_text().splitlines(keepends=True)
        (stage / name).write_text("".join(lines[:12]))
    (row,) = scored(stage)
    assert (row["n"], row["error"]) == (16, 25.0)


def test_other_data_than_was_asked_is_refused(copied: Path, tmp_path: Path, calm: Place) -> None:
    data = shutil.copytree(calm.data, tmp_path / "data")
    recipe = copied / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(str(calm.data), str(data)))
    file = data / "Demo" / "test.tsv"
    file.write_text(file.read_text().replace("demo_test_00003", "new"))
    said = refused(copied)
    assert "1 answers, the first to demo/demo_test_00003, are to samples that the test data does not have" in said
    assert "the score stage's TASK.answers.jsonl.gz has the labels of then" in said


def test_files_and_folders_that_are_no_runs(tmp_path: Path, calm: Place) -> None:
    assert "holds no answers of a run" in refused(tmp_path)
    shutil.copy(stage_folder(calm.folder, "infer", "demo") / "predictions.jsonl", tmp_path)
    said = refused(tmp_path / "predictions.jsonl", "--task", "demo")
    assert "give them where they lie in the run's folder" in said


def answers_file(path: Path, *recipes: str) -> Path:
    keys = ("recipe", "task", "id", "label", "answer", "parsed", "outcome", "error")
    rows = [
        (recipe, task, "1", label, said, said, "label" if said else "error", None if said else "broke")
        for recipe in recipes
        for task, label, said in (("MELD", "joy", "joy"), ("MELD", "fear", None), ("demo", "question", "question"))
    ]
    text = "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_the_answers_beside_results_are_scored_recipe_by_recipe(tmp_path: Path) -> None:
    rows = scored(answers_file(tmp_path / "x.answers.jsonl.gz", "a", "b"))
    assert [(row["task"], row["n"]) for row in rows[:3]] == [("MELD", 2), ("demo", 1), ("overall", 3)]
    assert [(row["acc"], row["error"]) for row in rows[:2]] == [(50.0, 50.0), (100.0, 0.0)]
    assert [row["recipe"] for row in rows] == ["a"] * 3 + ["b"] * 3
    (one,) = scored(answers_file(tmp_path / "y.answers.jsonl.gz", "c"), "--task", "demo")
    assert (one["recipe"], one["n"]) == ("c", 1)
    said = call("score", tmp_path / "x.answers.jsonl.gz")
    assert [line for line in said.splitlines() if line in ("a:", "b:")] == ["a:", "b:"]


def test_what_is_packed_is_read_and_damage_told(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv.gz"
    table.write_bytes(gzip.compress(b"label\tanswer, with a comma\tprediction\njoy\tx,y\tjoy\n"))
    (row,) = scored(table, "--task", "MELD", "--answer-column", "prediction")
    assert row["acc"] == 100
    table.write_bytes(table.read_bytes()[:-12])
    status, said = attempt("score", table, "--task", "MELD")
    assert (status, "it was damaged, or not copied to its end" in said) == (2, True)
