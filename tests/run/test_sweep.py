"""Sweeps, run: a folder for each combination, one results CSV for all."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.plan.make import make_plan
from orchestrator.recipe.load import load_recipe, load_sweep
from orchestrator.scores.answer_file import read_answers
from orchestrator.scores.results import read_results
from tests.run.place import Place
from tests.running import call

RATES = ("--sweep", "train.learning_rate=1e-5,5e-5")
SEEDS = ("--sweep", "seed=1,2")
NAMES = [f"echoed-learning_rate_{rate}-seed_{seed}" for rate in ("1e-5", "5e-5") for seed in (1, 2)]


def table(place: Place, name: str = "echoed.sweep-learning_rate-seed") -> list[dict[str, Any]]:
    return read_results(place.folder / f"{name}.csv")


def recipes_in(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["recipe"] for row in rows))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, data: Path, _echo: None) -> Place:
    """Two rates with two seeds each, run by one command; nobody changes it."""
    place = Place(tmp_path_factory.mktemp("sweep"), data)
    (place.folder / "said.txt").write_text(place.run(*RATES, *SEEDS))
    return place


def test_each_combination_is_a_run_and_all_stand_in_one_table(done: Place) -> None:
    assert sorted(path.parent.name for path in (done.folder / "runs").glob("*/recipe.yaml")) == NAMES
    rows = table(done)
    assert recipes_in(rows) == NAMES
    assert [row["seed"] for row in rows if row["task"] == "demo"] == [1, 2, 1, 2]
    assert [path.name for path in done.folder.glob("*.csv")] == ["echoed.sweep-learning_rate-seed.csv"]
    begun = [line.split("] ")[1].split()[0] for line in done.said.splitlines() if "demo/train: done" in line]
    assert begun == NAMES, "one after another, the last key's values change fastest"


def test_a_combination_is_what_the_recipe_is_with_these_values(done: Place) -> None:
    runs = done.folder / "runs"
    kept = load_recipe(runs / NAMES[2] / "recipe.yaml")
    (alone,) = load_sweep(done.recipe, ["train.learning_rate=5e-5", "seed=1"])
    assert (kept.name, kept.training.learning_rate, kept.seed) == (NAMES[2], 5e-5, 1)
    keys = [stage.key for stage in make_plan(kept, runs).stages]
    assert keys == [stage.key for stage in make_plan(alone, runs).stages]
    assert {folder.name.rpartition("-")[2] for folder in (runs / NAMES[2] / "demo").iterdir()} == set(keys)
    assert "sweep" not in yaml.safe_load((runs / NAMES[2] / "recipe.yaml").read_text())


def test_nothing_is_done_twice_whatever_the_order_and_the_spelling(place: Place) -> None:
    place.run(*RATES, *SEEDS)
    before = (place.folder / "echoed.sweep-learning_rate-seed.csv").read_bytes()
    said = place.run("--sweep", "seed=2,1", "--sweep", "train.learning_rate=0.00005,1e-5")
    assert "everything is done already" in said
    assert (place.folder / "echoed.sweep-learning_rate-seed.csv").read_bytes() == before


def test_a_sweep_goes_on_in_its_file_and_other_files_stay(place: Place) -> None:
    place.run("--sweep", "train.learning_rate=1e-5", "--sweep", "seed=1")
    first = table(place)
    place.run()
    plain = place.results.read_bytes()
    place.run("--sweep", "train.learning_rate=5e-5", "--sweep", "seed=1,2")
    rows = table(place)
    assert recipes_in(rows) == [NAMES[0], NAMES[2], NAMES[3]]
    assert rows[: len(first)] == first
    place.run("--sweep", "seed=1")
    assert recipes_in(table(place, "echoed.sweep-seed")) == ["echoed-seed_1"]
    assert table(place) == rows
    assert place.results.read_bytes() == plain
    place.run(*RATES, "--sweep", "seed=1")
    assert table(place) == rows, "in the order in which they came"


def test_the_answers_of_all_combinations_stand_beside_their_table(place: Place) -> None:
    file = place.folder / "echoed.sweep-seed.answers.jsonl.gz"
    for seeds in ("1", "2", "2"):
        said = place.run("--sweep", f"seed={seeds}")
    assert "everything is done already" in said
    counts = Counter(row["recipe"] for row in read_answers(file))
    assert counts == {"echoed-seed_1": 16, "echoed-seed_2": 16}
    before = file.read_bytes()
    place.run("--sweep", "seed=2")
    assert file.read_bytes() == before
    said = place.run("--sweep", "seed=1,2")
    assert re.search(r"recipe +task +n +acc .*\nechoed-seed_1 +demo +16 .*\nechoed-seed_2 +demo +16 ", said)
    assert f"answers: {file}\nmodel of echoed-seed_1: " in said
    assert Counter(row["recipe"] for row in read_answers(file)) == counts


def test_results_with_other_settings_are_moved_aside(place: Place) -> None:
    place.run("--sweep", "seed=1,2")
    file = place.folder / "echoed.sweep-seed.csv"
    before = file.read_bytes()
    said = place.run("--sweep", "seed=2", "--set", "train.epochs=2")
    (aside,) = place.folder.glob("echoed.sweep-seed.2*.csv")
    assert f"{file} held other results: they are now in {aside}" in said
    assert aside.read_bytes() == before
    assert recipes_in(table(place, "echoed.sweep-seed")) == ["echoed-seed_2"]
    place.run("--sweep", "seed=1,2")
    assert file.read_bytes() == before
    assert not aside.exists()


def test_one_that_fails_does_not_stop_the_others(place: Place) -> None:
    place.run("--sweep", "seed=1", "--only", "demo/init")
    broken = place.folder / "runs" / "echoed-seed_1" / "demo"
    (folder,) = broken.glob("init-*")
    plan = json.loads(call("plan", place.recipe, "--sweep", "seed=1", "--runs-dir", place.folder / "runs", "--json"))
    convert = next(Path(stage["folder"]) for stage in plan[0]["jobs"][0]["stages"] if stage["stage"] == "convert")
    convert.write_text("a file where a folder is to be")
    said = place.run("--sweep", "seed=1,2", code=1)
    assert "failed: echoed-seed_1 demo/convert" in said
    assert recipes_in(table(place, "echoed.sweep-seed")) == ["echoed-seed_2"]
    convert.unlink()
    place.run("--sweep", "seed=1,2")
    assert sorted(recipes_in(table(place, "echoed.sweep-seed"))) == ["echoed-seed_1", "echoed-seed_2"]
    assert folder.is_dir()


def test_a_part_of_all_combinations_and_what_it_needs_said_once(place: Place) -> None:
    said = place.run("--sweep", "seed=1,2", "--only", "demo/train", code=2)
    assert said.count("demo/train cannot begin: demo/init, demo/convert must be done before") == 1
    assert "--sweep seed=1,2" in said
    place.run("--sweep", "seed=1,2", "--only", "demo/init", "--only", "demo/convert", "--only", "demo/train")
    made = [(path.parts[-4], path.parts[-2].partition("-")[0]) for path in place.folder.glob("runs/*/*/*/stage.json")]
    assert sorted(made) == [(f"echoed-seed_{seed}", kind) for seed in (1, 2) for kind in ("convert", "init", "train")]


def test_tasks_of_earlier_commands_are_shown(place: Place, data: Path) -> None:
    place = Place(place.folder, data, tasks="demo, MELD")
    place.run("--sweep", "seed=1,2", "--task", "demo")
    place.run("--sweep", "seed=2", "--task", "MELD")
    rows = table(place, "echoed.sweep-seed")
    found = {name: [row["task"] for row in rows if row["recipe"] == name] for name in recipes_in(rows)}
    assert found["echoed-seed_2"] == ["demo", "MELD", "overall"]
    assert found["echoed-seed_1"][0] == "demo"
    assert "MELD" not in found["echoed-seed_1"]


def test_what_comes_to_the_same_run_is_refused_before_anything_starts(place: Place, data: Path) -> None:
    place = Place(place.folder, data, "zero_shot")
    for command in ("run", "plan", "validate"):
        folders = ("--results-dir", place.folder) if command == "run" else ()
        words = (command, place.recipe, "--runs-dir", place.folder / "runs", *folders, *RATES)
        said = call(*words, code=2)
        assert "`train.learning_rate` changes nothing that is computed here, as zero_shot trains nothing" in said
    assert not place.folders()


def test_plan_status_and_show_know_sweeps(done: Place) -> None:
    runs = ("--runs-dir", done.folder / "runs")
    said = call("plan", done.recipe, *RATES, *SEEDS, *runs)
    lines = [line.split() for line in said.splitlines() if line.startswith("echoed")]
    assert [line[0] for line in lines] == NAMES
    assert {tuple(line[1:3]) for line in lines} == {("1", "6/6")}
    assert list(json.loads(call("status", "echoed", "--json", *runs))) == NAMES
    file = done.folder / "swept.yaml"
    file.write_text("extends: recipe.yaml\nname: echoed\nsweep: {train.learning_rate: [1e-5, 5e-5], seed: [1, 2]}\n")
    shown = call("show", file)
    assert yaml.safe_load(shown)["sweep"]["seed"] == [1, 2]
    again = done.folder / "again.yaml"
    again.write_text(shown)
    assert [recipe.resolved() for recipe in load_sweep(again)] == [recipe.resolved() for recipe in load_sweep(file)]
    said = call("validate", file, *runs)
    assert [line.split(", ")[1] for line in said.splitlines() if ": good" in line] == [
        f"{n}: good (1 job" for n in NAMES
    ]


def test_what_is_odd_in_several_runs_is_said_once(tmp_path: Path, done: Place) -> None:
    said = Place(tmp_path, done.data, "zero_shot").run("--sweep", "inference.max_new_tokens=8,16")
    notes = [line for line in said.splitlines() if "all answers are the same text" in line]
    assert [line.partition(": all")[0] for line in notes] == ["note: demo (2 runs)"]


def test_answers_of_other_combinations_that_were_lost_are_told_and_come_again(place: Place) -> None:
    file = place.folder / "echoed.sweep-seed.answers.jsonl.gz"
    place.run(*SEEDS)
    both = Counter(row["recipe"] for row in read_answers(file))
    file.write_bytes(file.read_bytes()[:50])
    said = place.run("--sweep", "seed=3")
    assert f"note: {file}" in said
    assert "written anew, without the answers of echoed-seed_1, echoed-seed_2" in said
    assert set(Counter(row["recipe"] for row in read_answers(file))) == {"echoed-seed_3"}
    assert "note: " not in place.run(*SEEDS)
    assert Counter(row["recipe"] for row in read_answers(file)) == both | {"echoed-seed_3": both["echoed-seed_1"]}
