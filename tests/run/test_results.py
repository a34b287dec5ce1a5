"""The results of a run: when they come, what they tell, and the answers beside them."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.plain import View
from orchestrator.machine.files import write_csv
from orchestrator.machine.leases import Lease, take
from orchestrator.plan.record import read, write
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run import answers, report
from orchestrator.run.answer_tables import EARLIER
from orchestrator.run.run import run_recipes
from orchestrator.scores.answer_file import read_answers
from orchestrator.scores.results import COLUMNS, FIRST, read_results
from tests.run.place import Place
from tests.running import stage_folder, wait_until

TABLE = "demo.answers.jsonl.gz"  # of a score stage


def answers_file(place: Place) -> Path:
    return place.folder / "echoed.answers.jsonl.gz"


@pytest.fixture
def both(place: Place) -> Place:
    return Place(place.folder, place.data, tasks="demo, MELD")


def as_of_an_earlier_version(path: Path) -> None:
    """A results CSV without the columns that came later, and with an overall row of a single task."""
    rows = list(csv.DictReader(path.open(newline="")))
    text = io.StringIO()
    writer = csv.DictWriter(text, FIRST, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, *([rows[0] | {"task": "overall"}] if len(rows) == 1 else [])])
    path.write_text(text.getvalue())


# when they come


def test_results_come_with_each_task(both: Place, calm: Place) -> None:
    process = both.start_until("train", do="hang:train@MELD")
    assert both.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
    assert list(both.rows()) == ["demo"]
    assert {row["task"] for row in read_answers(answers_file(both))} == {"demo"}
    acc = calm.rows()["demo"]
    line = f"demo: acc {acc['acc']:.2f} (95% CI {acc['acc_ci_low']:.2f}-{acc['acc_ci_high']:.2f}), majority "
    assert f"\n        {line}" in both.said
    process.terminate()
    assert process.wait(30) == 130


def test_a_run_of_one_stage_for_all_tasks_has_a_line_for_each(place: Place) -> None:
    said = Place(place.folder, place.data, "it", "demo, MELD").run().splitlines()
    done = next(number for number, line in enumerate(said) if "it/score: done" in line)
    assert [line.split()[:2] for line in said[done + 1 : done + 3]] == [["demo:", "acc"], ["MELD:", "acc"]]


def test_the_end_says_where_everything_is(both: Place) -> None:
    said = both.run().splitlines()
    at = said.index(f"results: {both.results}")
    where = said[at : at + 4]
    folders = [stage_folder(both.folder, "train", job) / "output/checkpoint-10" for job in ("demo", "MELD")]
    folders[1] = folders[1].with_name(read_results(both.results)[1]["checkpoint"])
    assert where == [
        f"results: {both.results}",
        f"answers: {answers_file(both)}",
        f"model of demo: {folders[0]}",
        f"model of MELD: {folders[1]}",
    ]
    assert all((folder / "model.bin").is_file() for folder in folders)
    assert "\n".join(where) in both.run(), "what is done already says so, too"
    shutil.rmtree(folders[0].parents[1])
    assert "\n".join([*where[:2], f"model: {folders[1]}"]) in both.run()


def test_an_adapter_is_called_one(place: Place) -> None:
    said = place.run("--set", "train.finetuning=lora")
    assert said.splitlines()[-1].startswith(f"adapter: {stage_folder(place.folder, 'train')}/output/checkpoint-")


# what they tell


def test_the_settings_of_each_row(both: Place) -> None:
    both.run("--set", "train.per_task={MELD: {epochs: 2, lora: {rank: 4}}}", "--set", "train.finetuning=lora",
             "--set", "seed=7", "--set", "train.learning_rate=2e-4")  # fmt: skip
    rows = both.rows()
    names = ("learning_rate", "epochs", "batch_size", "lora_rank", "train_rows", "seed", "dtype", "engine")
    assert [rows["demo"][name] for name in names] == [2e-4, 1, 4, 8, 40, 7, "bf16", "echo"]
    assert [rows["MELD"][name] for name in names] == [2e-4, 2, 4, 4, 14, 7, "bf16", "echo"]
    assert [rows["overall"][name] for name in names] == [2e-4, None, 4, None, None, 7, "bf16", "echo"]
    settings = {task: json.loads(rows[task]["settings"]) for task in ("demo", "MELD")}
    assert settings["demo"]["train.learning_rate"] == 2e-4
    assert settings["MELD"] == settings["demo"] | {"train.epochs": 2.0, "train.lora.rank": 4}
    assert settings["demo"]["seed"] == 7
    assert not [name for name in settings["demo"] if name.startswith(("data", "resources", "name", "description"))]
    labels = Counter(row["label"] for row in read_answers(answers_file(both)) if row["task"] == "demo")
    assert rows["demo"]["majority"] == round(100 * max(labels.values()) / labels.total(), 2)


def test_nothing_was_trained_and_nothing_is_said_of_it(place: Place) -> None:
    row = Place(place.folder, place.data, "zero_shot")
    row.run()
    found = row.rows()["demo"]
    training = ("learning_rate", "epochs", "batch_size", "lora_rank", "train_rows", "train_seconds", "checkpoint")
    assert [found[name] for name in training] == [None] * 7
    assert "train" not in found["settings"]


def test_seconds_of_work_apart_from_those_of_loading_and_of_nothing(place: Place) -> None:
    for step in (2, 5):  # before the first checkpoint, and after it
        process = place.start_until("train", do=f"hang:train={step},slow:train=0.6")
        log = stage_folder(place.folder, "train") / "log.txt"
        wait_until(lambda log=log, step=step: f"hangs at {step}" in log.read_text())
        process.terminate()
        assert process.wait(30) == 130
    place.run(do="slow:train=0.1,slow:infer=0.1")
    row, attempts = place.rows()["demo"], place.stage("train")["attempts"]
    assert [one["resumed_from"] for one in attempts] == ["", "", "output/checkpoint-3"]
    assert row["aborted_seconds"] == pytest.approx(attempts[0]["seconds"], abs=0.06)
    startup = sum(one["startup_seconds"] for one in (*attempts[1:], *place.stage("infer")["attempts"]))
    assert startup > 0.1
    assert row["startup_seconds"] == pytest.approx(startup, abs=0.06)
    whole = sum(one["seconds"] - one["startup_seconds"] for one in attempts[1:])
    assert whole > 0.7
    assert row["train_seconds"] == pytest.approx(whole, abs=0.06)
    assert row["infer_seconds"] == 16 * 0.5


# the answers beside them


def test_the_answers_are_those_that_were_scored(calm: Place) -> None:
    rows, table = calm.rows(), read_answers(answers_file(calm))
    assert [row["task"] for row in table] == ["demo"] * 16 + ["MELD"] * 7
    for task in ("demo", "MELD"):
        own = [row for row in table if row["task"] == task]
        assert len({row["id"] for row in own}) == rows[task]["n"] == len(own)
        right = sum(row["label"] == row["parsed"] for row in own)
        assert rows[task]["acc"] == round(100 * right / len(own), 2)
        assert all(row["recipe"] == "echoed" for row in own)
    said = (calm.data / "Demo" / "test.tsv").read_text().splitlines()[1].split("\t")[2]
    assert said not in str(table), "no utterances"


def test_an_error_has_no_answer(place: Place) -> None:
    place.run(do="error:infer=3")
    (failed,) = (row for row in read_answers(answers_file(place)) if row["outcome"] == "error")
    assert (failed["answer"], failed["parsed"], failed["error"]) == (None, None, "as asked")
    place.run("--retry-errors")
    assert all(row["answer"] and row["error"] is None for row in read_answers(answers_file(place)))


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_bytes(b"?"), lambda path: path.write_bytes(b"")]
)
def test_lost_answers_are_written_again_the_same(place: Place, damage: Any) -> None:
    place.run()
    table, answers = place.results.stat().st_mtime_ns, answers_file(place).read_bytes()
    damage(answers_file(place))
    assert "everything is done already" in place.run()
    assert answers_file(place).read_bytes() == answers
    assert place.results.stat().st_mtime_ns == table, "what is the same is not written again"


def test_half_a_file_of_a_run_that_was_killed_goes_and_others_stay(place: Place) -> None:
    left = [place.folder / f".echoed{suffix}.999.tmp" for suffix in (".csv", ".answers.jsonl.gz")]
    others = [place.folder / name for name in (".echoed2.csv.999.tmp", "echoed.tmp")]
    for path in (*left, *others):
        path.write_text("half")
    place.run()
    assert [path.exists() for path in (*left, *others)] == [False, False, True, True]


def test_what_another_process_has_done_before_it_is_this_one_s_turn_to_write_is_written(
    both: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both.run()
    table, job, elsewhere = both.results.read_text(), both.folder / "runs" / "echoed" / "MELD", tmp_path / "elsewhere"
    job.rename(elsewhere)
    both.results.unlink()
    really = report.alone

    @contextlib.contextmanager
    def alone(*given: Any) -> Iterator[None]:
        with really(*given):
            if elsewhere.exists():
                elsewhere.rename(job)
            yield

    monkeypatch.setattr(report, "alone", alone)
    assert "everything is done already" in both.run("--task", "demo")
    assert both.results.read_text() == table


def test_answers_go_where_their_table_goes(place: Place) -> None:
    first, second = (("--set", f"inference.max_new_tokens={tokens}") for tokens in (16, 24))
    place.run(*first)
    old = answers_file(place).read_bytes()
    run_id = place.rows()["demo"]["run_id"]
    place.run(*second)
    aside = place.folder / f"echoed.{run_id}.answers.jsonl.gz"
    assert aside.read_bytes() == old
    assert (place.folder / f"echoed.{run_id}.csv").exists()
    place.run(*first)
    assert answers_file(place).read_bytes() == old
    assert not aside.exists()
    assert len(list(place.folder.glob("*.csv"))) == len(list(place.folder.glob("*.gz"))) == 2


def test_a_table_of_answers_that_was_lost_or_edited_is_made_again(place: Place) -> None:
    place.run()
    table, before = stage_folder(place.folder, "score") / TABLE, answers_file(place).read_bytes()
    edited = gzip.decompress(before).replace(b"statement", b"question")
    for damage in (table.unlink, lambda: table.write_bytes(gzip.compress(edited))):
        damage()
        said = place.run()
        assert f"demo/score: is mended: {TABLE} not as it left it" in said
        assert answers_file(place).read_bytes() == before
        assert list(place.folder.glob("*.csv")) == [place.results], "the same results, found once more"


# of an earlier version


def test_results_of_an_earlier_version_are_written_anew_in_their_place(place: Place) -> None:
    place.run()
    table = place.results.read_bytes()
    as_of_an_earlier_version(place.results)
    assert set(COLUMNS) - set(FIRST) == {name for name, value in read_results(place.results)[0].items()
                                         if name not in FIRST and value is None}  # fmt: skip
    answers_file(place).unlink()
    said = place.run()
    assert "everything is done already" in said
    assert "other results" not in said
    assert place.results.read_bytes() == table
    assert sorted(path.name for path in place.folder.glob("echoed.*")) == ["echoed.answers.jsonl.gz", "echoed.csv"]


def test_results_of_an_earlier_version_found_once_more_are_not_other_ones(place: Place) -> None:
    place.run(do="error:infer=3")
    as_of_an_earlier_version(place.results)
    assert "other results" not in place.run("--retry-errors", do="error:infer=3")
    assert list(place.folder.glob("*.csv")) == [place.results]


def test_what_an_earlier_version_scored_has_answers_unless_they_were_lost(place: Place) -> None:
    place.run()
    folder = stage_folder(place.folder, "score")
    record = read(folder)
    assert record is not None
    assert set(record.files) == {"scores.json", TABLE}
    del record.files[TABLE]
    write(folder, record)
    (folder / TABLE).unlink()
    said = place.run()
    assert "everything is done already" in said
    assert f"note: the answers of demo are not in {answers_file(place)}" in said
    assert f"rm -r {folder}" in said
    shutil.rmtree(folder)
    assert "note: the answers" not in place.run()
    assert len(read_answers(answers_file(place))) == 16


def test_a_table_of_an_earlier_version_is_read(place: Place) -> None:
    place.run()
    folder, before = stage_folder(place.folder, "score"), answers_file(place).read_bytes()
    rows = [[row[name] for name in EARLIER] for row in read_answers(folder / TABLE)]
    write_csv(folder / "demo.csv", [EARLIER, *rows])
    (folder / TABLE).unlink()
    record = read(folder)
    assert record is not None
    record.seal(folder)
    write(folder, record)
    answers_file(place).unlink()
    assert "everything is done already" in place.run()
    assert answers_file(place).read_bytes() == before


# several tasks, one after the other


def test_results_of_a_run_before_are_moved_aside_once_however_many_tasks_follow(both: Place) -> None:
    both.run(do="error:infer=3")
    old = both.results.read_text()
    said = both.run("--retry-errors")
    assert said.count("held other results") == 1
    (aside,) = (path for path in both.folder.glob("*.csv") if path != both.results)
    assert aside.read_text() == old
    assert {row["error"] for row in both.rows().values()} == {0}


def test_the_same_results_of_several_tasks_found_once_more_make_no_more_files(both: Place) -> None:
    both.run(do="error:infer=3")
    for _ in range(2):
        assert "held other results" not in both.run("--retry-errors", do="error:infer=3")
    assert list(both.folder.glob("*.csv")) == [both.results]


def test_plans_of_one_name_share_their_files(both: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    second = both.folder / "second.yaml"
    second.write_text(both.recipe.read_text().replace("name: echoed", "name: second"))
    monkeypatch.setattr(report, "results_name", lambda _: "shared")
    said = both.run(second)
    rows = read_results(both.folder / "shared.csv")
    expected = [(recipe, task) for recipe in ("echoed", "second") for task in ("demo", "MELD", "overall")]
    assert [(row["recipe"], row["task"]) for row in rows] == expected
    answers = read_answers(both.folder / "shared.answers.jsonl.gz")
    assert Counter((row["recipe"], row["task"]) for row in answers) == {
        (recipe, task): count for recipe in ("echoed", "second") for task, count in (("demo", 16), ("MELD", 7))
    }
    assert "model of second MELD: " in said
    assert said.count("results: ") == 1
    assert "other results" not in said
    assert sorted(path.name for path in both.folder.glob("*.csv")) == ["shared.csv"]


def test_answers_that_stand_are_not_packed_again_and_those_that_do_not_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run()
    file = answers_file(place)
    whole = file.read_bytes()
    for damaged in (whole[:-20], gzip.compress(gzip.decompress(whole).split(b"\n", 1)[1]), b"", b"none"):
        file.write_bytes(damaged)
        place.run()
        assert file.read_bytes() == whole
    (table,) = place.folder.glob("runs/*/demo/score-*/demo.answers.jsonl.gz")
    os.utime(file, ns=(0, table.stat().st_mtime_ns - 1))
    file.write_bytes(gzip.compress(gzip.decompress(whole).upper()))
    os.utime(file, ns=(0, table.stat().st_mtime_ns - 1))
    place.run()
    assert file.read_bytes() == whole, "older than what it comes from"
    monkeypatch.setattr(answers, "packed", lambda rows: pytest.fail("packed once more"))
    recipes = RecipeFiles([place.recipe])
    assert run_recipes(recipes, place.folder / "runs", place.folder, View) == 0


def test_while_another_run_writes_results_stages_go_on_and_a_signal_is_heard(place: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    lease = take(place.folder / ".writing")
    assert isinstance(lease, Lease)
    process = place.start_until("train", do="hang:train@MELD=2")
    wait_until(lambda: "another run writes to" in place.said)
    assert "demo/score: done" in place.said
    assert not place.results.exists()
    assert place.said.count("another run writes to") == 1
    lease.release()
    wait_until(place.results.exists, 20)  # not tried again at once, but soon
    lease = take(place.folder / ".writing")
    assert isinstance(lease, Lease)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "MELD/train: stopped" in place.said)
    lease.release()
    assert process.wait(30) == 130
