"""Tasks that a data folder brings: everything that takes a task's name, and what an edit of their file does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.run.place import TASK, Place, write_data, write_task
from tests.running import call, records, stage_folder


@pytest.fixture
def own(tmp_path: Path) -> Place:
    write_data(tmp_path / "data")
    write_task(tmp_path / "data")
    return Place(tmp_path / "own", tmp_path / "data", tasks="Humour")


def prompts(folder: Path, job: str = "Humour") -> set[str]:
    return {record["prompt"] for record in records(stage_folder(folder, "infer", job) / "requests.jsonl").values()}


@pytest.mark.parametrize("method", ["sft", "it"])
def test_a_task_of_the_data_folder_is_trained_and_scored(tmp_path: Path, own: Place, method: str) -> None:
    own = Place(tmp_path / "both", own.data, method, tasks="demo, Humour")
    own.run()
    rows = own.rows()
    assert set(rows) == {"demo", "Humour", "overall"}
    assert (rows["Humour"]["dimension"], rows["Humour"]["n"], rows["Humour"]["acc"]) == ("category", 8, 100)
    assert "everything is done already" in own.run()
    asked = prompts(own.folder, "Humour" if method == "sft" else "it")
    assert any(
        "test 0: 哈哈 haha Based on the text, what is the category of this speaker?\n"
        "The candidate labels for category are: [funny, serious]. Respond in the format: 'category: [label]'." in prompt
        for prompt in asked
    )


def test_each_command_takes_its_name(tmp_path: Path, own: Place) -> None:
    root = ("--data-root", own.data)
    recipe = own.folder / "other.yaml"
    recipe.write_text(own.recipe.read_text().replace("[Humour]", "[MELD]"))
    assert "good (1 job, 1 task)" in call("validate", recipe, "--task", "Humour")
    assert "Humour" in call("plan", recipe, "--task", "Humour", "--runs-dir", tmp_path / "runs")
    assert "Humour" in call("data", "check", *root, "--task", "Humour")
    assert "Humour" in call("data", "check", *root)
    out = tmp_path / "train.json"
    call("convert", "--task", "Humour", "--toolkit", "llamafactory", "--out", out, *root)
    assert len(json.loads(out.read_text())) == 16
    call("convert", "--task", "Humour", "--toolkit", "llamafactory", "--out", out, "--protocol", "released", *root)
    answers = tmp_path / "answers.csv"
    answers.write_text("label,answer,task\nfunny,category: funny,humour\nserious,category: funny,Humour\n")
    assert " 50.00" in call("score", answers, "--task", "Humour", *root)
    assert " 50.00" in call("score", answers, *root)
    assert "Humour" in call("show", recipe, "--set", "train.per_task.Humour.epochs=2")
    tasks = json.loads(call("show", recipe, "--schema"))["properties"]["tasks"]["anyOf"][1]["items"]["enum"]
    assert tasks[-1] == "Humour"
    assert "Humour" not in call("show", "--schema")


def test_a_name_that_is_nearly_its(own: Place) -> None:
    assert "did you mean `Humour`?" in own.run("--task", "Humor", code=2)
    assert "did you mean `Humour`?" in own.run("--set", "train.per_task.Humor.epochs=2", code=2)
    assert "did you mean `Humour`?" in own.run("--set", "data.columns={Humor.text: x}", code=2)
    assert "did you mean `Humour`?" in call("score", own.recipe, "--task", "Humor", "--data-root", own.data, code=2)


def test_settings_of_a_task_with_a_dot_in_its_name(own: Place) -> None:
    write_task(own.data, TASK + "name: Fun.v2\n")
    for setting in ("Fun.v2.epochs=2", "Fun.v2={epochs: 2}", "Fun.v2.lora={rank: 4}"):
        said = call("show", own.recipe, "--set", "tasks=[Fun.v2]", "--set", f"train.per_task.{setting}")
        assert "    Fun.v2:\n" in said
    said = own.run("--set", "tasks=[Fun.v2]", "--set", "train.per_task.Fun.v2.epohcs=2", code=2)
    assert "unknown key `train.per_task.Fun.v2.epohcs`\n    did you mean `epochs`?" in said


def test_all_is_the_benchmark(own: Place) -> None:
    assert "Humour" not in call("show", own.recipe, "--set", "tasks=all")


def test_a_wrong_task_file_stops_its_task_alone(own: Place) -> None:
    (own.data / "Humour" / "task.yaml").write_text(TASK + "sises: {test: 8}\n")
    said = own.run(code=2)
    assert f"{own.data}/Humour/task.yaml:3:1: unknown key `sises`\n    did you mean `sizes`?" in said
    assert f"{own.recipe}:5:9: the task `Humour` cannot be used: what defines it is wrong" in said
    Place(own.folder, own.data, tasks="demo").run()


def test_one_command_over_two_folders(tmp_path: Path, own: Place) -> None:
    write_task(tmp_path / "other", "labels: [witty, dull]\nlanguage: en\ndimension: wit\n", labels=("witty", "dull"))
    text = own.recipe.read_text().replace("echoed", "second").replace(f"{own.data}", f"{tmp_path / 'other'}")
    (own.folder / "second.yaml").write_text(text)
    own.run(own.folder / "second.yaml")
    first, second = (
        json.loads(path.read_text()) for path in sorted(own.folder.glob("runs/*/Humour/score-*/scores.json"))
    )
    assert (own.folder / "second.csv").exists()
    requests = sorted(own.folder.glob("runs/*/Humour/infer-*/requests.jsonl"))
    assert ["[funny, serious]" in path.read_text() for path in requests] == [True, False]
    assert ["[witty, dull]" in path.read_text() for path in requests] == [False, True]
    assert first[0]["scores"]["acc"] == second[0]["scores"]["acc"] == 100


def todo(own: Place) -> set[str]:
    plan = json.loads(call("plan", own.recipe, "--runs-dir", own.folder / "runs", "--json"))
    text = json.dumps(plan)
    assert "stages" in text
    return {stage["stage"] for stage in _stages(plan) if not stage["done"]}


def _stages(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict) and "stage" in value and "done" in value:
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [stage for child in children for stage in _stages(child)]


def test_an_edit_of_what_is_asked_is_done_again_and_one_of_remarks_is_not(own: Place) -> None:
    own.run()
    assert todo(own) == set()
    write_task(own.data, TASK + "sizes: {test: 8}\nlicence: mine\n")
    assert todo(own) == set()
    write_task(own.data, TASK + "word: humour\n")
    assert {"convert", "train", "infer", "score"} <= todo(own)
    write_task(own.data, TASK.replace("serious", "serious, dry"))
    assert {"convert", "train", "infer", "score"} <= todo(own)
