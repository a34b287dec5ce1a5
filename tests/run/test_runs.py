"""Runs that nothing goes wrong in: what they write, and that they are not done twice."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from unittest.mock import patch

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.plan.keys import key_of
from orchestrator.scores.results import COLUMNS
from tests.run.place import KINDS, Place
from tests.running import answers, call, stage_folder


def right(place: Place, task: str, job: str | None = None) -> float:
    """The percentage of right answers, without any help of what is tested."""
    with (place.data / tasks()[task].folders[0] / "test.tsv").open() as file:
        labels = {f"{task}/{row['id']}": row["label"] for row in csv.DictReader(file, delimiter="\t")}
    given = answers(place.folder, job or task)
    hits = [given[ident].split(" (")[0].split(": ")[-1] == label for ident, label in labels.items()]
    return 100 * sum(hits) / len(hits)


def test_sft_trains_answers_and_scores_each_task(calm: Place) -> None:
    assert calm.attempts() == {f"{job}/{kind}": 1 for job in ("demo", "MELD") for kind in KINDS}
    with calm.results.open() as file:
        assert next(csv.reader(file)) == list(COLUMNS)
    rows = calm.rows()
    assert list(rows) == ["demo", "MELD", "overall"]
    assert [row["n"] for row in rows.values()] == [16, 7, 23]
    for task in ("demo", "MELD"):
        row = rows[task]
        assert row["acc"] == pytest.approx(right(calm, task), abs=0.005)
        assert (row["method"], row["toolkit"], row["toolkit_version"]) == ("sft", "echo", "mmla-echo 1")
        assert row["checkpoint"] == calm.stage("select", task)["outputs"]["checkpoint"]
    weighted = (240 * right(calm, "demo") + 2610 * right(calm, "MELD")) / 2850
    assert rows["overall"]["acc"] == pytest.approx(weighted, abs=0.005)
    assert all(text.endswith("(40 seen)") for text in answers(calm.folder, "demo").values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_tells_what_it_did(calm: Place, kind: str) -> None:
    state, folder = calm.stage(kind), stage_folder(calm.folder, kind, "demo")
    assert (state["state"], state["stage"], state["job"]) == ("done", kind, "demo")
    assert state["key"] == key_of(state["inputs"])
    assert folder.name == f"{kind}-{state['key']}"
    assert state["seconds"] == state["attempts"][0]["seconds"] >= 0
    if kind in ("init", "train", "infer"):
        assert state["argv"][-2:] == [kind, "config.json"]
        assert state["exit_code"] == 0
        assert (folder / "config.json").exists()
    else:
        assert state["argv"] == []


@pytest.mark.parametrize("method", ["zero_shot", "it"])
def test_one_job_answers_all_tasks(place: Place, data: Path, method: str) -> None:
    place = Place(place.folder, data, method, "demo, MELD")
    place.run()
    kinds = KINDS if method == "it" else ("init", "infer", "score")
    assert place.attempts() == {f"{method}/{kind}": 1 for kind in kinds}
    rows = place.rows()
    assert list(rows) == ["demo", "MELD", "overall"]
    for task in ("demo", "MELD"):
        own = {ident for ident in answers(place.folder, method) if ident.startswith(f"{task}/")}
        assert rows[task]["n"] == len(own)
    seen = "(56 seen)" if method == "it" else "statement (0 seen)"
    assert all(text.endswith(seen) for text in answers(place.folder, method).values())
    if method == "it":
        assert place.stage("convert", "it")["outputs"]["rows"] == {"train": 54, "dev": 15}


def test_a_second_run_starts_nothing_and_shows_the_same(calm: Place) -> None:
    before, table = calm.attempts(), calm.results.read_bytes()
    with patch.object(subprocess, "Popen", side_effect=AssertionError("a process was started")):
        said = calm.run()
    assert said.startswith("everything is done already\n")
    assert "overall" in said
    assert calm.attempts() == before
    assert calm.results.read_bytes() == table


@pytest.mark.parametrize(("strategy", "tried"), [("best_eval", 0), ("last", 0), ("dev_accuracy", 4)])
def test_a_checkpoint_is_chosen_as_asked(place: Place, strategy: str, tried: int) -> None:
    place.run("--set", f"select.strategy={strategy}", "--set", "train.epochs=1")
    selection = place.stage("select")["outputs"]
    scores = {int(step): value for step, value in selection["accuracy_percent"].items()}
    best = max(scores, key=lambda step: (scores[step], -step)) if scores else 10
    assert (selection["strategy"], selection["step"]) == (strategy, best)
    assert list(scores) == ([] if strategy == "last" else [3, 6, 9, 10])
    folder = stage_folder(place.folder, "select")
    assert len(list(folder.glob("checkpoint-*/predictions.jsonl"))) == tried
    assert all(text.endswith(f"({4 * best} seen)") for text in answers(place.folder).values())
    assert place.rows()["demo"]["checkpoint"] == f"checkpoint-{best}"


def test_both_ways_to_choose_by_dev_agree(place: Place) -> None:
    """The toolkit's own evaluation is exact here, so real answers must come to the same."""
    found = []
    for strategy in ("best_eval", "dev_accuracy"):
        other = Place(place.folder / strategy, place.data)
        other.run("--set", f"select.strategy={strategy}")
        found.append(other.stage("select")["outputs"]["accuracy_percent"])
    assert found[0] == found[1] != {}


def test_merged_weights_are_written_when_asked_for(place: Place) -> None:
    place.run("--merge", "--set", "train.finetuning=lora")
    merged = stage_folder(place.folder, "merge") / "merged" / "model.bin"
    chosen = stage_folder(place.folder, "train") / "output" / "checkpoint-10" / "model.bin"
    assert merged.read_bytes() == chosen.read_bytes()
    assert place.stage("merge")["state"] == "done"


def test_weights_that_are_no_adapter_are_not_merged(place: Place) -> None:
    assert "--merge merges a LoRA adapter" in place.run("--merge", code=2)
    assert place.folders() == set()


def test_several_processes_share_the_requests(place: Place, calm: Place) -> None:
    place.run("--set", "resources.inference_processes=2")
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert place.stage("infer")["outputs"]["processes"] == 2
    folder = stage_folder(place.folder, "infer")
    assert {path.name for path in folder.glob("config.*.json")} == {"config.0.json", "config.1.json"}
    assert not list(folder.glob("predictions.*.jsonl"))


def test_two_recipes_run_one_after_the_other(place: Place, data: Path, calm: Place) -> None:
    other = Place(place.folder / "other", data, "zero_shot")
    second = other.recipe.rename(place.folder / "second.yaml")
    second.write_text(second.read_text().replace("name: echoed", "name: second"))
    said = place.run(second)
    assert answers(place.folder, "demo") == answers(calm.folder, "demo")
    assert "second zero_shot/infer: done" in said
    assert (place.folder / "second.csv").exists()


def test_a_training_says_whom_it_reports_to_and_nothing_is_done_again_for_it(place: Place) -> None:
    said = place.run("--set", "train.report_to=[tensorboard, wandb]")
    folder = stage_folder(place.folder, "train")
    assert f"reports to TensorBoard: tensorboard --logdir {folder / 'output' / 'runs'}\n" in said
    assert "demo/train: reports to wandb\n" in said
    assert "everything is done already" in place.run()


def test_status_lists_every_stage_in_the_order_of_the_run(calm: Place) -> None:
    (found,) = json.loads(call("status", "echoed", "--json", "--runs-dir", calm.folder / "runs")).values()
    stages = found["stages"]
    assert [stage["stage"] for stage in stages] == [f"{job}/{kind}" for job in ("demo", "MELD") for kind in KINDS]
    assert {stage["state"] for stage in stages} == {"done"}
    assert "12 done" in call("ls", "runs", "--runs-dir", calm.folder / "runs")


def test_the_run_folder_holds_the_recipe_and_runs_again_from_it(
    place: Place, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(place.folder, data, tasks="demo, MELD")
    place.run("--set", "seed=7", "--task", "demo", "--set", "description=a\n b: # c")
    kept = place.folder / "runs" / "echoed" / "recipe.yaml"
    head, when, *rest = text = kept.read_text().splitlines()
    assert head == (
        f"# What is run here, fully resolved, from: {place.recipe} --set seed=7 "
        "--set 'description=a<U+000A> b: # c' --task demo"
    )
    assert when.startswith("# at 20")
    assert rest[0] == "name: echoed"
    place.recipe.unlink()
    results = ["--runs-dir", place.folder / "runs", "--results-dir", place.folder]
    table = place.results.read_bytes()
    said = call("run", kept, "--only", "demo", *results)
    assert "everything is done already" in said
    assert place.results.read_bytes() == table, "the same recipe, and so the same rows"
    assert call("run", kept, *results).count(": done in") == 6, "MELD"
    assert kept.read_text().splitlines() == text
    assert call("status", kept, "--runs-dir", place.folder / "runs").startswith("echoed: not running")


def test_the_recipe_in_the_run_folder_is_the_last(place: Place) -> None:
    place.run("--only", "demo/init")
    kept = place.folder / "runs" / "echoed" / "recipe.yaml"
    first = kept.read_text()
    place.run("--only", "demo/convert")
    assert kept.read_text() == first
    place.run("--set", "seed=7")
    assert "seed: 7" in kept.read_text()
    kept.write_bytes(b"\xff")
    place.run("--set", "seed=8")
    assert "seed: 8" in kept.read_text()
    kept.unlink()
    kept.mkdir()
    assert f"note: the recipe cannot be kept in {kept}: Is a directory" in place.run("--set", "seed=8", "--limit", "9")
    kept.rmdir()
    place.run("--set", "seed=8", "--limit", "8")
    # what is wrong with the input changes nothing
    place.run("--set", "seed=9", "--set", "data.root=nowhere", code=2)
    assert "seed: 8" in kept.read_text()
