"""`run --only`: a part of a run, as a scheduler starts it."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tests.run.place import KINDS, Place
from tests.running import answers, call, stage_folder

HERE = "python -m orchestrator "


@pytest.fixture
def both(place: Place, data: Path) -> Place:
    """The tasks demo and MELD."""
    return Place(place.folder, data, tasks="demo, MELD")


def test_stage_by_stage_comes_to_what_a_run_comes_to(both: Place, calm: Place) -> None:
    for kind in KINDS:
        for job in ("demo", "MELD"):
            said = both.run("--only", f"{job}/{kind}")
            assert f"[1/1] echoed {job}/{kind}: done in" in said
    assert both.attempts() == calm.attempts()
    for job in ("demo", "MELD"):
        assert answers(both.folder, job) == answers(calm.folder, job)
    assert list(both.rows()) == ["demo", "MELD", "overall"]
    assert [row["acc"] for row in both.rows().values()] == [row["acc"] for row in calm.rows().values()]
    assert "everything is done already" in both.run()


def test_a_job_alone_keeps_the_rows_of_the_others(both: Place) -> None:
    said = both.run("--only", "demo")
    assert "[6/6] echoed demo/score: done" in said
    assert list(both.rows()) == ["demo"]
    run = both.rows()["demo"]["run_id"]
    assert {path.split("/")[0] for path in both.folders()} == {"demo"}
    both.run("--only", "MELD")
    assert list(both.rows()) == ["demo", "MELD", "overall"]
    assert both.rows()["demo"]["run_id"] == run
    assert len(list(both.folder.glob("*.csv"))) == 1
    assert "everything is done already" in both.run("--only", "demo/train", "--only", "MELD")


def test_what_it_needs_is_named_with_the_command_that_does_it(both: Place) -> None:
    said = both.run("--only", "demo/infer", "--limit", "9", "--set", "seed=7", code=2)
    assert "demo/infer cannot begin: demo/init, demo/convert, demo/train, demo/select must be done before" in said
    assert not both.folders()
    (command,) = (line.split(": ", 1)[1] for line in said.splitlines() if "do it first" in line)
    words = shlex.split(command.removeprefix(HERE))
    assert words[:6] == ["run", str(both.recipe), "--set", "seed=7", "--limit", "9"]
    assert call(*words).count(": done in") == 4
    said = both.run("--only", "demo/score", "--limit", "9", "--set", "seed=7", code=2)
    assert f"do it first: {HERE}run" in said
    assert said.rstrip().endswith("--only demo/infer")
    said = both.run("--only", "demo/infer", "--only", "demo/score", "--limit", "9", "--set", "seed=7")
    assert said.count(": done in") == 2
    assert both.rows()["demo"]["n"] == 9


def test_scores_need_no_training_and_a_training_is_done_again_where_it_is_asked_for(both: Place) -> None:
    both.run("--only", "demo")
    shutil.rmtree(stage_folder(both.folder, "train", "demo"))
    shutil.rmtree(stage_folder(both.folder, "score", "demo"))
    assert "[1/1] echoed demo/score: done" in both.run("--only", "demo/score")
    assert "everything is done already" in both.run("--only", "demo")
    assert "[1/1] echoed demo/train: done" in both.run("--only", "demo/train")
    said = both.run("--only", "demo/score", code=2)
    assert "demo/score cannot begin: demo/select, demo/infer must be done before" in said


def test_answers_that_were_edited_are_asked_again_first(both: Place, calm: Place) -> None:
    both.run("--only", "demo")
    shutil.rmtree(stage_folder(both.folder, "score", "demo"))
    journal = stage_folder(both.folder, "infer", "demo") / "predictions.jsonl"
    journal.write_text(journal.read_text().replace("statement", "question", 1))
    assert "demo/score cannot begin: demo/infer must be done before" in both.run("--only", "demo/score", code=2)
    both.run("--only", "demo/infer")
    both.run("--only", "demo/score")
    assert answers(both.folder, "demo") == answers(calm.folder, "demo")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("demmo", "unknown job `demmo`\n    did you mean `demo`? The jobs: demo, MELD"),
        ("", "unknown job ``\n    known: demo, MELD"),
        ("train", "a stage is named with its job, e.g. demo/train"),
        ("demo/trian", "unknown stage of demo `trian`\n    did you mean `train`?"),
        ("demo/", "known: init, convert, train, select, infer, score"),
        ("demo/merge", "only adapters are merged, of finetuning: lora"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_no_such_part(both: Place, command: str, name: str, words: str) -> None:
    said = call(command, both.recipe, "--only", "MELD", "--only", name, "--runs-dir", both.folder / "runs", code=2)
    assert said.startswith(f"error: --only {name}: ")
    assert words in said
    assert not (both.folder / "runs").exists()


def test_an_adapter_can_be_merged_alone(both: Place) -> None:
    words = ("--set", "train.finetuning=lora", "--only", "demo/merge")
    assert "unknown stage of demo `merge`\n    add --merge" in both.run(*words, code=2)
    both.run(*words[:2], "--only", "demo")
    assert "[1/1] echoed demo/merge: done" in both.run(*words, "--merge")


def test_several_recipes(both: Place, data: Path, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", data, tasks="demo")
    other.recipe.write_text(other.recipe.read_text().replace("name: echoed", "name: other"))
    said = both.run(other.recipe, "--only", "MELD/init", "--only", "demo/convert")
    assert [line.split()[1:3] for line in said.splitlines()] == [
        ["echoed", "demo/convert:"], ["echoed", "MELD/init:"], ["other", "demo/convert:"]
    ]  # fmt: skip
    said = both.run(other.recipe, "--only", "MELD/convert")
    assert "other" not in said
    plan = call("plan", both.recipe, other.recipe, "--only", "MELD", "--json", "--runs-dir", both.folder / "runs")
    assert [(one["recipe"], [job["job"] for job in one["jobs"]]) for one in json.loads(plan)] == [("echoed", ["MELD"])]


def test_a_plan_shows_the_same_part(both: Place) -> None:
    runs = ("--runs-dir", both.folder / "runs")
    both.run("--only", "demo/init")
    for kind in KINDS:
        done = "1 done" if kind == "init" else "0 done"
        assert f"1 job, 1 stage ({done})" in call("plan", both.recipe, "--only", f"demo/{kind}", *runs)
    shutil.rmtree(both.folder / "runs")
    said = call("plan", both.recipe, "--only", "demo/train", *runs)
    assert "1 job, 1 stage (0 done), 1 model load" in said.splitlines()[0]
    assert "note: demo/train cannot begin: demo/init, demo/convert must be done before\n    do it first: " in said
    (plan,) = json.loads(call("plan", both.recipe, "--only", "demo/train", "--only", "demo/init", "--json", *runs))
    assert [[stage["stage"] for stage in job["stages"]] for job in plan["jobs"]] == [["init", "train"]]


def test_only_what_the_part_reads_is_looked_at(both: Place, data: Path, tmp_path: Path) -> None:
    root = tmp_path / "own"
    shutil.copytree(data, root)
    own = Place(both.folder, root, tasks="demo, MELD")
    shutil.rmtree(root / "MELD")
    assert "no data for MELD" in own.run(code=2)
    (demo,) = (path for path in root.iterdir())
    (demo / "test.tsv").write_text("id\tvideo\ttext\tlabel\n1\t\tWell\tnonsense\n")
    assert "nonsense" in own.run("--only", "demo", code=2)
    own.run("--only", "demo/init", "--only", "demo/convert")
    own.run("--only", "demo/train")
    own.run("--only", "demo/select")
    assert "nonsense" in own.run("--only", "demo/infer", code=2)


def test_a_stopped_part_goes_on(both: Place, calm: Place) -> None:
    both.run("--only", "demo/init", "--only", "demo/convert")
    assert "demo/train: FAILED" in both.run("--only", "demo/train", do="fail:train=5", code=1)
    assert "goes on from checkpoint-3" in both.run("--only", "demo/train")
    both.run("--only", "demo")
    assert answers(both.folder, "demo") == answers(calm.folder, "demo")
