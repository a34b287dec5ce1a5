"""What the same or a similar command does to what is on disk already."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from orchestrator.machine.leases import Lease, alone, take
from orchestrator.scores.results import read_results
from tests.media import write_video
from tests.recipes import write_rows
from tests.run.place import KINDS, Place
from tests.running import stage_folder, start, texts, wait_until


def kinds(folders: set[str]) -> set[str]:
    return {name.partition("/")[2].partition("-")[0] for name in folders}


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        ("inference.batch_size=2", set()),
        ("resources.env.OMP_NUM_THREADS=1", set()),
        ("select.strategy=best_eval", {"train", "select", "infer", "score"}),
        ("inference.max_new_tokens=16", {"infer", "score"}),
        ("train.learning_rate=2e-4", {"train", "select", "infer", "score"}),
        ("model.init.vocab_size=999", {"init", "train", "select", "infer", "score"}),
        ("prompt.system=Answer.", set(KINDS)),
    ],
)
def test_a_changed_value_redoes_exactly_what_depends_on_it(
    calm: Place, tmp_path: Path, change: str, redone: set[str]
) -> None:
    place = Place(tmp_path / "place", calm.data)
    shutil.copytree(calm.folder / "runs", place.folder / "runs")
    before, attempts = place.folders(), place.attempts()
    said = place.run("--set", change)
    assert kinds(place.folders() - before) == redone
    assert before <= place.folders(), "what was done stays"
    assert set(place.attempts().values()) == {1}
    assert place.attempts().keys() == attempts.keys()
    assert ("everything is done already" in said) == (not redone)


def test_a_training_that_was_deleted_is_not_missed_by_finished_results(place: Place) -> None:
    place.run()
    table = place.results.read_bytes()
    for kind in ("init", "convert", "train"):
        shutil.rmtree(stage_folder(place.folder, kind))
    assert "everything is done already" in place.run()
    assert kinds(place.folders()) == {"select", "infer", "score"}
    assert place.results.read_bytes() == table


def test_results_that_were_deleted_are_written_again(place: Place) -> None:
    results = place.folder / "elsewhere" / "results"
    place.run("--results-dir", results)
    table = (results / "echoed.csv").read_bytes()
    shutil.rmtree(results.parent)
    assert "everything is done already" in place.run("--results-dir", results)
    assert (results / "echoed.csv").read_bytes() == table


def test_a_training_that_was_deleted_is_done_again_for_new_answers(place: Place) -> None:
    place.run()
    shutil.rmtree(stage_folder(place.folder, "train"))
    old = stage_folder(place.folder, "infer")
    place.run("--set", "inference.max_new_tokens=16")
    said = place.run()
    assert "demo/infer: begins anew: what is there came from another training" in said
    assert len(texts(old / "predictions.jsonl")) == 16


def test_one_task_after_the_other_gives_the_results_of_both(place: Place, calm: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    place.run("--task", "demo")
    assert list(place.rows()) == ["demo"], "of one task there is nothing over all"
    place.run("--task", "MELD")
    for task in ("demo", "MELD", "overall"):
        assert place.rows()[task]["acc"] == calm.rows()[task]["acc"]
    assert place.attempts() == calm.attempts()


def test_results_of_other_settings_are_moved_aside(place: Place) -> None:
    place.run()
    old = place.results.read_text()
    said = place.run("--set", "inference.max_new_tokens=16")
    (aside,) = (path for path in place.folder.glob("*.csv") if path != place.results)
    assert f"held other results: they are now in {aside}" in said
    assert aside.read_text() == old
    assert place.rows()["demo"]["decoding"] == "greedy,max=16"
    assert place.run("--set", "inference.max_new_tokens=16").count("held results") == 0


def test_the_same_results_shown_again_make_no_more_files(place: Place) -> None:
    for _ in range(3):
        for tokens in (16, 24, 32):
            place.run("--set", f"inference.max_new_tokens={tokens}")
    assert len(list(place.folder.glob("*.csv"))) == 3


def test_the_same_results_found_once_more_make_no_more_files(place: Place) -> None:
    place.run(do="error:infer=3")
    found = place.rows()["demo"]
    for _ in range(2):
        assert "held other results" not in place.run("--retry-errors", do="error:infer=3")
    assert place.rows()["demo"]["run_id"] != found["run_id"]
    assert list(place.folder.glob("*.csv")) == [place.results]
    said = place.run("--retry-errors")
    (aside,) = (path for path in place.folder.glob("*.csv") if path != place.results)
    assert f"held other results: they are now in {aside}" in said
    assert (read_results(aside)[0]["error"], place.rows()["demo"]["error"]) == (6.25, 0)


def test_the_same_results_of_two_runs_are_both_kept(place: Place) -> None:
    place.run()
    first = place.results.read_text()
    said = place.run("--runs-dir", place.folder / "others")
    (aside,) = (path for path in place.folder.glob("*.csv") if path != place.results)
    assert f"held other results: they are now in {aside}" in said
    assert aside.read_text() == first


def test_columns_that_somebody_added_stay_where_nothing_is_new(place: Place) -> None:
    place.run()
    head, *rows = place.results.read_text().splitlines()
    own = "\n".join([f"{head},remark", *(f"{row},mine" for row in rows)]) + "\n"
    copy = place.results.with_suffix(".mine.csv")
    shutil.copy(place.results, copy)
    place.run()
    assert copy.exists()
    place.results.write_text(own)
    place.run()
    assert place.results.read_text() == own


def test_of_two_runs_that_end_together_the_second_sees_what_the_first_wrote(place: Place, data: Path) -> None:
    other = Place(place.folder / "other", data)
    other.run("--set", "inference.max_new_tokens=16")
    with alone(place.folder / ".writing", ""):
        process = start(place.recipe, place.folder, program="tests.echo")
        wait_until(lambda: list(place.folder.glob("runs/*/demo/score-*/scores.json")))
        time.sleep(0.5)
        assert not place.results.exists(), "it waits for the other"
        shutil.copy(other.results, place.results)
    assert process.wait(30) == 0
    assert {read_results(path)[0]["decoding"] for path in place.folder.glob("*.csv")} == {
        "greedy,max=16",
        "greedy,max=32",
    }


def test_a_limit_is_another_run_of_its_own(place: Place) -> None:
    place.run("--limit", "8")
    assert place.rows()["demo"]["n"] == 8
    assert place.stage("convert")["outputs"]["rows"] == {"train": 8, "dev": 8}
    assert place.stage("train")["outputs"]["steps"] == 2


def test_data_that_moved_is_converted_again_before_the_training_goes_on(place: Place, tmp_path: Path) -> None:
    root, moved = tmp_path / "clips", tmp_path / "moved"
    (root / "Demo" / "video").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        clips = [write_video(root / "Demo" / "video" / f"{split}{number}.mp4").name for number in range(2)]
        rows = zip(("Is it?", "It is."), ("question", "statement"), clips, strict=True)
        write_rows(root / "Demo" / f"{split}.tsv", [(clip[:-4], clip, text, label) for text, label, clip in rows])
    shown = ("--set", "model.type=MLLM", "--set", "train.batch_size=1", "--set", "train.micro_batch_size=1")
    place.run(*shown, "--set", f"data.root={root}", do="fail:train=2", code=1)
    root.rename(moved)
    said = place.run(*shown, "--set", f"data.root={moved}")
    assert "demo/train: begins again: it has no checkpoint to go on from" in said
    assert place.stage("convert")["outputs"]["videos"] == f"{moved}/{{dataset}}/video"
    converted = stage_folder(place.folder, "convert") / "train.jsonl"
    assert str(moved / "Demo" / "video" / "train1.mp4") in converted.read_text()
    assert place.attempts() == dict.fromkeys(place.attempts(), 1) | {"demo/train": 2}


def test_errors_are_asked_again_beside_a_done_job_that_somebody_works_on(place: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    place.run(do="error:infer@demo=3")
    lease = take(place.folder / "runs" / "echoed" / "MELD")
    assert isinstance(lease, Lease)
    assert "demo: what ended in an error is asked again: 1 request" in place.run("--retry-errors")
    lease.release()
    assert place.rows()["demo"]["error"] == 0
