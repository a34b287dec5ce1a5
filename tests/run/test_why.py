"""What is said of work that is done again though it was done before, on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan.keys import KEYS
from tests.run.place import KINDS, Place
from tests.running import call, stage_folder

SLOWER = ("--set", "train.learning_rate=5e-5")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Place:
    """One task, done; nobody changes it."""
    place = Place(tmp_path_factory.mktemp("finished"), data)
    place.run()
    return place


@pytest.fixture
def done(tmp_path: Path, data: Path, finished: Place) -> Place:
    """A copy of it for each test."""
    shutil.copytree(finished.folder, tmp_path / "done")
    return Place(tmp_path / "done", data)


def plan(place: Place, *more: object) -> str:
    return call("plan", place.recipe, "--runs-dir", place.folder / "runs", *more)


def why(place: Place, *more: object) -> dict[str, Any]:
    """By kind of stage, what the plan says of an earlier one."""
    (found,) = json.loads(plan(place, "--json", *more))
    (job,) = found["jobs"]
    return {stage["stage"]: stage["again"] for stage in job["stages"] if "again" in stage}


def status(place: Place) -> str:
    return call("status", "--runs-dir", place.folder / "runs")


def by_version(place: Place, keys: int | None) -> None:
    """Have the stages be those of another version, under keys that this one does not give."""
    for file in list(place.folder.glob("runs/*/*/*/stage.json")):
        state = json.loads(file.read_text())
        state["inputs"] = {"runner": "x", **({} if keys is None else {"keys": keys})}
        file.write_text(json.dumps(state))
        file.parent.rename(file.parent.with_name(f"{state['stage']}-{'0' * 12}"))


def test_another_value_is_told_by_plan_and_run(done: Place) -> None:
    assert why(done) == {}
    assert "why:" not in plan(done)
    before = stage_folder(done.folder, "train")
    found = why(done, *SLOWER, "--set", "inference.max_new_tokens=9")
    assert {kind: again["why"] for kind, again in found.items()} == {
        "train": ["train.learning_rate 0.0001 -> 5e-05"],
        "select": ["because train is done again"],
        "infer": ["inference.max_new_tokens 32 -> 9", "because train is done again"],
        "score": ["because train and infer are done again"],
    }
    assert found["train"] | {"why": []} == {"instead_of": str(before), "made_by": "this version", "why": []}
    said = plan(done, *SLOWER)
    assert "         why: train.learning_rate 0.0001 -> 5e-05\n         takes " in said
    assert said.count("         why: because train is done again\n") == 3
    told = f"note: echoed demo is trained again: train.learning_rate 0.0001 -> 5e-05 (its folder stays: {before})\n"
    said = done.run(*SLOWER)
    assert said.count("note: echoed") == 1
    assert told in said[: said.index("/6]")]
    assert before.is_dir()
    # both are there now: neither is done again
    for more in ((), SLOWER):
        assert why(done, *more) == {}
        assert "trained again" not in done.run(*more)


def test_the_newest_of_several_is_compared(place: Place) -> None:
    for number in (1, 2, 3):
        place.run("--set", f"seed={number}")
    assert why(place, "--set", "seed=4")["train"]["why"] == ["seed 3 -> 4", "because init is done again"]
    assert why(place, "--set", "seed=4")["init"]["why"] == ["seed 3 -> 4"]


def test_data_and_what_is_done_already(place: Place, tmp_path: Path, data: Path) -> None:
    root = Path(shutil.copytree(data, tmp_path / "mine"))
    mine = Place(place.folder / "mine", root)
    mine.run()
    path = root / "Demo" / "dev.tsv"
    head, _, rows = path.read_text().partition("\n")
    path.write_text(f"{head}\nx{rows}")  # another id
    assert why(mine)["convert"]["why"] == ["the dev data of demo"]
    assert why(mine)["train"]["why"] == ["because convert is done again"]
    said = mine.run(do="fail:train=5", code=1)
    assert "is trained again: because convert is done again (" in said
    # which is done by now
    assert "convert" not in why(mine)
    assert why(mine)["train"]["why"] == ["because convert is another"]


def test_what_was_removed_is_not_told_as_another_value(done: Place) -> None:
    done.run(*SLOWER)
    for train in done.folder.glob("runs/*/*/train-*"):
        if json.loads((train / "stage.json").read_text())["inputs"]["train"].get("learning_rate"):
            shutil.rmtree(train)
    more = (*SLOWER, "--set", "inference.max_new_tokens=9")
    assert {kind: one["why"] for kind, one in why(done, *more).items()} == {
        "infer": ["inference.max_new_tokens 32 -> 9"],
        "score": ["because infer is done again"],
    }
    assert "trained again" not in done.run(*more)


def test_a_training_that_was_not_finished_is_told_too(place: Place) -> None:
    place.run(do="fail:train=5", code=1)
    assert why(place) == {}, "it goes on"
    said = place.run(*SLOWER)
    assert "note: echoed demo begins to train anew: train.learning_rate 0.0001 -> 5e-05 (" in said


@pytest.mark.parametrize(
    ("keys", "version"),
    [(None, "an earlier version"), (KEYS - 1, "an earlier version"), (KEYS + 1, "a later version")],
)
def test_what_another_version_made_is_told_once(done: Place, keys: int | None, version: str) -> None:
    assert "made by" not in status(done) + plan(done)
    by_version(done, keys)
    made = f"made by {version}: its keys mean other things;"
    assert f"note: demo: {made} a run does it again" in " ".join(status(done).split())
    folder = stage_folder(done.folder, "train")
    told = f"note: echoed demo: {made} `train` is done again (its folder stays: {folder})"
    shown = plan(done)
    assert " ".join(shown.split()).count(told) == 1
    assert "why:" not in shown
    assert why(done)["train"] == {"instead_of": str(folder), "made_by": version, "why": []}
    other = done.folder / "other.yaml"
    other.write_text(done.recipe.read_text().replace("name: echoed", "name: other"))
    assert " ".join(plan(done, other).split()).count(told) == 1, "a table of several"
    said = done.run()
    assert said.count("made by") == 1
    assert said.index(told) < said.index("/6]")
    assert folder.is_dir()
    assert "made by" not in done.run() + status(done) + plan(done)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_says_it_of_its_training_or_its_answers(done: Place, kind: str) -> None:
    by_version(done, None)
    said = " ".join(plan(done, "--only", f"demo/{kind}").split())
    assert said.count(f"made by an earlier version: its keys mean other things; `{kind}` is done again") == (
        kind in ("train", "infer")
    )


def test_it_is_told_until_the_training_has_begun(done: Place) -> None:
    by_version(done, None)
    told = "made by an earlier version: its keys mean other things; `train` is done again"
    assert told in done.run(do="fail:init", code=1)
    assert told in done.run("--set", "seed=1", do="fail:train=5", code=1)
    # which also wrote the training files
    assert told in done.run(do="fail:train=5", code=1)
    assert "made by" not in done.run()


def test_the_answers_of_a_training_that_was_removed_are_told(done: Place) -> None:
    by_version(done, None)
    shutil.rmtree(stage_folder(done.folder, "train"))
    infer = stage_folder(done.folder, "infer")
    assert f"`train` is done again (its folder stays: {infer})" in done.run()


def test_several_jobs_are_told_in_one_line(place: Place, data: Path) -> None:
    place = Place(place.folder, data, tasks="demo, MELD")
    place.run()
    by_version(place, None)
    stays = f"(their folders stay: {place.folder}/runs/echoed/*/train-*)"
    made = "note: echoed demo, MELD: made by an earlier version: its keys mean other things; `train` is done again"
    assert f"{made} {stays}" in place.run()
    said = place.run(*SLOWER)
    assert f"note: echoed demo, MELD are trained again: train.learning_rate 0.0001 -> 5e-05 {stays}" in said


def test_zero_shot_answers_are_told(place: Place, data: Path) -> None:
    place = Place(place.folder, data, "zero_shot")
    place.run()
    by_version(place, None)
    assert "`infer` is done again" in place.run()


ODD = ["", "{}", '{"state": "done"}', '{"state": "done", "inputs": []}', '{"state": "done", "inputs": {"keys": "x"}}',
       f'{{"state": "done", "stage": "KIND", "inputs": {{"keys": {KEYS}, "train": 3, "data": "x"}}}}']  # fmt: skip


@pytest.mark.parametrize("text", [ODD[0], ODD[-1], *(pytest.param(text, marks=pytest.mark.long) for text in ODD[1:-1])])
def test_odd_records_of_other_stages_stop_nothing(done: Place, text: str) -> None:
    for kind in KINDS:
        folder = stage_folder(done.folder, kind)
        odd = folder.with_name(f"{kind}-{'0' * 12}")
        folder.rename(odd)
        (odd / "stage.json").write_text(text.replace("KIND", kind))
    said = plan(done) + plan(done, "--json") + status(done) + done.run()
    assert ("its stage.json was edited" in said) == ("train" in text)
