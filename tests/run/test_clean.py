"""`clean`: what nobody needs any more goes, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.launch.slurm.submitted import Submitted, submitting, write_submitted
from orchestrator.machine.leases import Lease, take
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run import clean, remove
from orchestrator.run.at_hand import AtHand
from orchestrator.run.clean import find, remove_all
from orchestrator.run.leftovers import NOT_BEGUN, NOT_SCORED, READ
from tests.fake_slurm import fake_slurm
from tests.run.place import Place
from tests.run.test_surroundings import kill_all_but_the_toolkit
from tests.running import call, stage_folder, texts

RATE = ("--set", "train.learning_rate=2e-4")


def said(place: Place, *words: object, code: int = 0) -> dict[str, Any]:
    """What `clean --json` says."""
    text = call("clean", "--json", "--runs-dir", place.folder / "runs", *words, code=code)
    return dict(json.JSONDecoder().raw_decode(text)[0])  # errors stand behind it, on the other stream


def listed(place: Place, *words: object, weights: bool = False) -> dict[str, str]:
    """What can be removed, and why, by path below the runs."""
    items = [one for one in said(place, *words)["items"] if one["weights"] == weights]
    assert all(one["bytes"] > 0 and not one["removed"] for one in items)
    return {str(Path(one["path"]).relative_to(place.folder / "runs")): one["why"] for one in items}


def kinds(names: Any) -> list[str]:
    return sorted(Path(name).name.partition("-")[0] for name in names)


def names(place: Place, *words: object) -> set[str]:
    return {one.removeprefix("echoed/") for one in listed(place, *words)}


def cleaned(place: Place, *words: object) -> set[str]:
    """What `clean --yes` removes; what it listed is gone, and all else is as it was."""
    before, wanted = place.folders(), names(place, *words)
    done = said(place, "--yes", *words)
    assert {one["path"] for one in done["items"] if one["removed"]} == {
        str(place.folder / "runs" / "echoed" / name) for name in wanted
    }
    assert done["freed_bytes"] == sum(one["bytes"] for one in done["items"] if one["removed"])
    assert place.folders() == before - wanted
    return wanted


@pytest.fixture
def done(place: Place, calm: Place) -> Place:
    """A run of demo and MELD that is done."""
    shutil.copytree(calm.folder / "runs", place.folder / "runs")
    place.recipe.write_text(calm.recipe.read_text())
    return place


def forget_origin(place: Place, run: str = "echoed") -> None:
    """As if the file was gone that the kept recipe was made from."""
    kept = place.folder / "runs" / run / "recipe.yaml"
    kept.write_text(kept.read_text().replace(", from: ", ", from: /gone"))


def test_of_a_run_that_is_done_nothing_goes_but_trainings_that_one_asks_for(done: Place) -> None:
    assert names(done) == set()
    assert names(done, done.recipe) == set()
    why = listed(done, weights=True)
    assert kinds(why) == ["train", "train"]
    assert set(why.values()) == {"its scores are done"}
    before = done.folders()
    assert said(done, "--yes")["freed_bytes"] == 0
    assert done.folders() == before


def test_other_settings_go_once_those_in_their_place_were_begun(done: Place) -> None:
    before = done.folders()
    done.run("--only", "demo", *RATE)
    assert names(done) == set(), "the recipe's file leads to the first ones still"
    done.recipe.write_text(done.recipe.read_text().replace("epochs: 1", "epochs: 1, learning_rate: 2e-4"))
    assert kinds(names(done)) == ["infer", "select", "train"]
    assert set(listed(done).values()) == {
        "a finished training; train.learning_rate 0.0001 -> 0.0002",
        "train.learning_rate 0.0001 -> 0.0002",
    }
    left = [Path(one["path"]) for one in said(done)["left"] if one["why"] == NOT_BEGUN]
    assert kinds(left) == ["infer", "select"]
    assert {path.parent.name for path in left} == {"MELD"}
    unled = "its scores are done, and no recipe leads to it any more"
    assert list(listed(done, weights=True).values()).count(unled) == 1, "of a training one is asked apart"
    gone = cleaned(done)
    assert gone < before
    scores = {name for name in before if "/score-" in name}
    assert scores <= done.folders()
    assert "everything is done already" in done.run("--only", "demo")
    assert done.run("--only", "MELD").count(": done in") == 4
    assert kinds(cleaned(done)) == ["infer", "select", "train"]
    assert names(done) == set()


def test_what_a_kept_recipe_leads_to_stays_though_its_file_says_otherwise(done: Place) -> None:
    done.recipe.write_text(done.recipe.read_text().replace("epochs: 1", "epochs: 2"))
    assert names(done) == set()
    forget_origin(done)
    assert names(done) == set()


def test_what_a_file_leads_to_stays_though_the_kept_recipe_was_run_since(done: Place) -> None:
    done.run("--limit", "6")
    assert names(done) == set()
    forget_origin(done)
    assert names(done, done.recipe) == set()
    assert kinds(names(done)) == sorted(2 * ["convert", "infer", "init", "select", "train"])
    assert "data.limit (none) -> 6" in set(listed(done).values())
    assert names(done, done.folder / "runs" / "echoed" / "recipe.yaml") == names(done)


def test_a_trial_of_few_rows_goes_when_the_whole_was_run(place: Place) -> None:
    place.run("--limit", "6")
    place.run()
    assert kinds(cleaned(place)) == ["convert", "infer", "init", "select", "train"]
    assert "everything is done already" in place.run()


def test_options_say_what_is_wanted_besides(done: Place) -> None:
    done.run("--only", "demo", *RATE)
    done.run("--only", "demo", "--set", "seed=3")
    third = "train.learning_rate 0.0002 -> 0.0001"
    assert any(third in why for why in listed(done).values())
    assert names(done, done.recipe, *RATE) == set()
    assert "--set changes a recipe, and none is named" in call("clean", *RATE, code=2)


def test_of_a_task_its_job_alone(done: Place) -> None:
    tasks = ("--task", "MELD")
    assert {name.split("/")[1] for name in listed(done, done.recipe, *tasks, weights=True)} == {"MELD"}
    assert len(listed(done, done.recipe, weights=True)) == 2


def test_a_sweeps_runs_are_the_recipes_and_each_is_its_own(place: Place) -> None:
    place.run("--sweep", "seed=1,2")
    assert listed(place) == {}
    runs = {"echoed-seed_1", "echoed-seed_2"}
    for words in ((), (place.recipe,), (place.recipe, "--sweep", "seed=1,2")):
        assert {name.split("/")[0] for name in listed(place, *words, weights=True)} == runs
    (one,) = listed(place, place.recipe, "--sweep", "seed=2", weights=True)
    assert one.startswith("echoed-seed_2/")
    place.run("--sweep", "seed=2", *RATE)
    forget_origin(place, "echoed-seed_2")
    assert {Path(name).parts[0] for name in listed(place)} == {"echoed-seed_2"}
    assert kinds(listed(place)) == ["infer", "select", "train"]


def test_with_settings_of_each_task_only_what_changed_goes(done: Place) -> None:
    text = done.recipe.read_text()
    done.recipe.write_text(text.replace("epochs: 1", "epochs: 1, per_task: {MELD: {epochs: 2}}"))
    done.run()
    assert {name.split("/")[0] for name in cleaned(done)} == {"MELD"}
    assert "everything is done already" in done.run()


def test_what_an_earlier_version_made_goes_once_it_was_done_anew(done: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (done.folder / "runs").glob("*/*/*/stage.json"):
        record = json.loads(path.read_text())
        del record["inputs"]["keys"]
        path.write_text(json.dumps(record))
        path.parent.rename(path.parent.with_name(path.parent.name[:-4] + "0000"))
    assert names(done) == set()
    assert kinds(one["path"] for one in said(done)["left"]) == sorted(2 * ["convert", "infer", "init", "select"])
    assert kinds(listed(done, weights=True)) == ["train", "train"]
    done.run("--only", "demo")
    assert kinds(cleaned(done)) == ["convert", "infer", "init", "select", "train"]
    assert "everything is done already" in done.run("--only", "demo")


def test_a_folder_that_says_nothing_of_itself_goes_if_there_is_another(done: Place) -> None:
    train = stage_folder(done.folder, "train", "demo")
    for name in ("train-000000000000", "infer-000000000000", "score-000000000000", "notes"):
        shutil.copytree(train, train.parent / name)
        (train.parent / name / "stage.json").write_text("{")
    assert kinds(names(done)) == ["infer", "train"]
    assert set(listed(done).values()) == {"its stage.json is lost or damaged"}


def test_answers_that_were_never_scored_stay(done: Place) -> None:
    done.run("--only", "demo", "--set", "inference.max_new_tokens=16")
    shutil.rmtree(next(path.parent for path in sorted((done.folder / "runs/echoed/demo").glob("score-*/stage.json"))
                       if json.loads(path.read_text())["made_from"]["infer"] == first_infer(done)))  # fmt: skip
    done.recipe.write_text(done.recipe.read_text() + "inference: {max_new_tokens: 16}\n")
    assert names(done) == set()
    assert NOT_SCORED in [one["why"] for one in said(done)["left"]]


def first_infer(place: Place) -> str:
    records = [json.loads(path.read_text()) for path in (place.folder / "runs/echoed/demo").glob("infer-*/stage.json")]
    return str(min(records, key=lambda one: one["attempts"][0]["started_at"])["id"])


def test_unfinished_work_stays_if_it_can_go_on(place: Place) -> None:
    place.run(do="fail:train=5", code=1)
    assert names(place) == set()
    place.run(*RATE)
    forget_origin(place)
    assert kinds(cleaned(place)) == ["train"]


def test_half_files_go_and_edited_answers_that_were_asked_again(place: Place) -> None:
    place.run()
    infer = stage_folder(place.folder, "infer")
    (infer / "predictions.jsonl").write_text((infer / "predictions.jsonl").read_text().replace("question", "answer"))
    place.run()
    tmp = infer / ".requests.jsonl.12.tmp"
    tmp.write_text("{")
    half = place.folder / "runs/echoed/demo/.train-0.removed"
    half.mkdir()
    (half / "weights").write_text("x")
    wanted = {f"demo/{infer.name}/{tmp.name}", f"demo/{infer.name}/predictions.jsonl.edited", "demo/.train-0.removed"}
    assert names(place) == wanted
    said(place, "--yes")
    assert names(place) == set()
    assert not half.exists()
    assert "everything is done already" in place.run()


# trainings whose scores are done ---------------------------------------------------------------------------------


def without_trainings(place: Place) -> None:
    assert said(place, "--yes", "--checkpoints")["freed_bytes"] > 0
    assert not list((place.folder / "runs").glob("*/*/train-*"))


def test_without_trainings_a_run_is_done_and_all_commands_say_so(done: Place) -> None:
    done.run()
    table = done.results.read_bytes()
    without_trainings(done)
    runs = ("--runs-dir", done.folder / "runs")
    assert listed(done, weights=True) == {}
    assert "everything is done already" in done.run()
    assert "everything is done already" in done.run("--retry-errors")
    assert done.results.read_bytes() == table
    assert "12 stages (12 done)" in call("plan", done.recipe, *runs)
    assert "to do" not in call("plan", done.recipe, *runs)
    status = call("status", *runs)
    assert status.count(" done ") == 10
    assert "/train " not in status
    report = done.folder / "report.html"
    assert str(report) in call("report", done.results, "--out", report, *runs)
    assert "demo" in report.read_text()


def test_without_trainings_new_questions_train_again_and_say_so(done: Place) -> None:
    without_trainings(done)
    more = ("--only", "demo", "--set", "inference.max_new_tokens=16")
    assert "demo/train" in call("plan", done.recipe, "--runs-dir", done.folder / "runs", *more)
    assert "demo/train: done in" in done.run(*more)


def test_errors_are_told_that_could_not_be_asked_again(place: Place) -> None:
    place.run(do="error:infer=3")
    (why,) = listed(place, weights=True).values()
    assert why == "its scores are done; 1 of its answers ended in an error, which could not be asked again"
    before = texts(stage_folder(place.folder, "infer") / "predictions.jsonl")
    without_trainings(place)
    assert "its errors are not asked again, as the training is gone" in place.run("--retry-errors")
    assert texts(stage_folder(place.folder, "infer") / "predictions.jsonl") == before


def test_a_training_stays_that_something_begun_reads(place: Place) -> None:
    place.run()
    shorter = ("--set", "inference.max_new_tokens=16")
    place.run(*shorter, do="fail:infer=4", code=1)
    assert listed(place, weights=True) == {}
    assert [one["why"] for one in said(place)["left"]] == [READ]
    # the run waits for a GPU: its own recipe says what is to come
    shutil.rmtree(next(path.parent for path in place.folder.glob("runs/*/*/infer-*/stage.json")
                       if json.loads(path.read_text())["state"] == "failed"))  # fmt: skip
    assert [one["why"] for one in said(place)["left"]] == [READ]
    place.run(*shorter)
    assert kinds(listed(place, weights=True)) == ["train"]


def test_a_recipe_that_was_not_run_wants_no_training(place: Place) -> None:
    place.run()
    place.recipe.write_text(place.recipe.read_text() + "inference: {max_new_tokens: 16}\n")
    assert kinds(listed(place, place.recipe, weights=True)) == ["train"]


def test_a_training_that_is_not_scored_stays(place: Place) -> None:
    place.run("--only", "demo/init", "--only", "demo/convert", "--only", "demo/train")
    assert said(place)["items"] == []


# what is left alone ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def worked_on(job: Path) -> Iterator[None]:
    lease = take(job)
    assert isinstance(lease, Lease)
    try:
        yield
    finally:
        lease.release()


def test_a_job_that_somebody_works_on_is_left_alone(done: Place) -> None:
    job = done.folder / "runs" / "echoed" / "demo"
    with worked_on(job):
        found = said(done, "--yes", "--checkpoints")
    assert [Path(one["path"]).parent.name for one in found["items"]] == ["MELD"]
    (left,) = found["left"]
    assert left["path"] == str(job)
    assert left["why"].startswith(f"process {os.getpid()} on ")
    assert left["why"].endswith(" works on it")
    assert not (job / "lock").exists()


def test_a_run_that_begins_while_one_is_asked_keeps_what_it_needs(done: Place) -> None:
    at_hand = AtHand.of(RecipeFiles([]))
    runs = find(at_hand, done.folder / "runs")
    wanted = [one for run in runs for one in run.leftovers]
    assert kinds(one.path for one in wanted) == ["train", "train"]
    with worked_on(done.folder / "runs/echoed/demo"), worked_on(done.folder / "runs/echoed/MELD"):
        removal = remove_all(at_hand, wanted)
    assert (removal.gone, removal.bytes) == ([], 0)
    assert {path.name for path in removal.left} == {one.path.name for one in wanted}
    # it has ended, and its recipe wants other answers of these trainings
    shorter = ("--set", "inference.max_new_tokens=16")
    done.run(*shorter, do="fail:infer=4", code=1)
    assert set(remove_all(at_hand, wanted).left) == {one.path for one in wanted}
    done.run(*shorter)
    assert set(remove_all(at_hand, wanted).gone) == {one.path for one in wanted}


@pytest.mark.parametrize("what", ["echoed", "echoed/demo", "echoed/demo/train"])
def test_nothing_goes_through_a_link(done: Place, what: str) -> None:
    path = done.folder / "runs" / what
    path = stage_folder(done.folder, "train", "demo") if path.name == "train" else path
    outside = done.folder / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    before = sorted(outside.rglob("*"))
    found = said(done, "--yes", "--checkpoints")
    assert sorted(outside.rglob("*")) == before
    assert path.is_symlink()
    removed = {Path(one["path"]).parent.name for one in found["items"] if one["removed"]}
    assert removed == (set() if what == "echoed" else {"MELD"})
    assert str(outside) in {one["path"]: one["why"] for one in found["left"]}[str(path)]


def test_a_run_that_no_recipe_leads_to_is_left_alone_until_one_is_named(done: Place) -> None:
    (done.folder / "runs" / "echoed" / "recipe.yaml").unlink()
    found = said(done, "--yes", "--checkpoints")
    assert found["items"] == []
    assert [one["why"] for one in found["left"]] == [clean.UNKNOWN]
    assert kinds(listed(done, done.recipe, weights=True)) == ["train", "train"]


@pytest.mark.parametrize("text", ["{", "name: echoed\nmethod: sftt\n"])
def test_a_run_whose_recipe_cannot_be_read_is_left_alone(done: Place, text: str) -> None:
    (done.folder / "runs" / "echoed" / "recipe.yaml").write_text(text)
    found = said(done, done.recipe, "--yes", "--checkpoints")
    assert found["items"] == []
    assert found["left"][0]["why"].startswith("what its recipe leads to cannot be told: ")


def test_data_that_is_not_there_costs_nothing(done: Place, tmp_path: Path) -> None:
    kept = done.folder / "runs" / "echoed" / "recipe.yaml"
    kept.write_text(kept.read_text().replace(str(done.data), str(tmp_path / "unmounted")))
    forget_origin(done)
    assert names(done) == set()


def test_what_is_not_of_a_run_is_not_looked_at(done: Place) -> None:
    for folder in (done.folder / "runs" / "mine", done.folder / "runs" / ".cache"):
        (folder / "demo" / "train-000000000000").mkdir(parents=True)
    found = said(done, "--yes")
    assert (found["items"], found["left"]) == ([one for one in found["items"] if one["weights"]], [])


def test_what_a_killed_run_left_running_is_ended_before_its_folder_goes(place: Place) -> None:
    place.run()
    process = place.start_until("train", *RATE, do="hang:train=5")
    (toolkit,) = place.running()
    kill_all_but_the_toolkit(process)
    (place.folder / "runs" / "echoed" / "recipe.yaml").unlink()
    assert kinds(names(place, place.recipe)) == ["train"]
    assert toolkit.is_running(), "to look changes nothing"
    shown = call("clean", place.recipe, "--yes", "--runs-dir", place.folder / "runs")
    assert f"note: ended what killed runs left running: process {toolkit.pid} (" in shown
    assert "removed 1 item: " in shown
    assert not place.running()
    assert "everything is done already" in place.run()


# disks -------------------------------------------------------------------------------------------------------------


def refuse(monkeypatch: pytest.MonkeyPatch, what: str, when: Callable[[Path], bool]) -> None:
    real = getattr(Path, what)

    def act(self: Path, *words: Any) -> Any:
        if when(self):
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *words)

    monkeypatch.setattr(Path, what, act)


def test_what_the_disk_refuses_is_told_and_the_rest_goes(done: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "rename", lambda path: path.parent.name == "demo")
    status = call("clean", "--yes", "--checkpoints", "--runs-dir", done.folder / "runs", code=1)
    train = stage_folder(done.folder, "train", "demo")
    assert f"error: {train}: cannot be removed: Permission denied\n    see who owns it" in status
    assert "removed 1 item: " in status
    assert not list((done.folder / "runs/echoed/MELD").glob("train-*"))
    assert "everything is done already" in done.run()


def test_what_is_half_removed_counts_as_gone_and_the_next_one_ends_it(
    done: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path / "output"))

    with monkeypatch.context() as patch:
        patch.setattr(remove.shutil, "rmtree", refused)
        found = said(done, "--yes", "--checkpoints", code=1)
    assert [error.partition(": ")[2].partition("\n")[0] for error in found["errors"]] == [
        "cannot be removed: Permission denied"
    ] * 2
    assert found["freed_bytes"] < sum(one["bytes"] for one in found["items"])
    assert "everything is done already" in done.run()
    assert {Path(name).name[:7] for name in listed(done)} == {".train-"}
    assert set(listed(done).values()) == {"its removal was not finished"}
    said(done, "--yes")
    assert said(done)["items"] == []


def test_what_waits_in_slurms_queue_is_left_alone(done: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on with the recipe as it was, which no file need say any more."""
    slurm, runs = fake_slurm(tmp_path / "slurm", monkeypatch), done.folder / "runs"
    done.recipe.write_text(done.recipe.read_text().replace("epochs: 1", "epochs: 2"))
    done.run("--only", "demo/train", "--only", "MELD/train")
    assert {name.partition("/")[0] for name in names(done)} == {"demo", "MELD"}
    with submitting(runs / "echoed"):
        write_submitted(runs / "echoed", {"demo": Submitted("7_0", "2026-01-01T10:00:00+00:00", "s", "l", "")})
    slurm.queue("7_0|PENDING|Priority|N/A|")
    assert {name.partition("/")[0] for name in names(done)} == {"MELD"}
    left = {one["path"]: one["why"] for one in said(done)["left"]}
    assert left[str(runs / "echoed" / "demo")] == "it waits or runs as Slurm job 7_0"
    (slurm.home / "bin" / "squeue").write_text("#!/bin/sh\necho down >&2\nexit 1\n")
    assert {name.partition("/")[0] for name in names(done)} == {"MELD"}, "it may wait"
    slurm.queue()
    (slurm.home / "bin" / "squeue").write_text("#!/bin/sh\n")
    assert {name.partition("/")[0] for name in names(done)} == {"demo", "MELD"}
