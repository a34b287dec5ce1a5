from __future__ import annotations

import json
from pathlib import Path

from tests.running import call
from tests.shared import RECIPES
from tests.stages import finish_in

DEMO = RECIPES / "demo.yaml"


def test_one_recipe_is_shown_with_its_commands(tmp_path: Path) -> None:
    said = call("plan", DEMO, "--runs-dir", tmp_path, "--set", "resources.device=cpu")
    head, *lines = said.splitlines()
    assert head.startswith("demo: sft of Tiny-Qwen2 (llamafactory, cpu), 1 job, 6 stages (0 done), 2 model loads")
    assert [line.split()[2] for line in lines if line.startswith("  to do")] == [
        f"demo/{kind}" for kind in ("init", "convert", "train", "select", "infer", "score")
    ]
    assert sum(line.startswith("         cd ") for line in lines) == 3
    assert not list(tmp_path.iterdir())


def test_files_and_processes(tmp_path: Path) -> None:
    cpu = ("--set", "resources.device=cpu", "--set", "resources.inference_processes=2")
    said = call("plan", DEMO, "--files", "--runs-dir", tmp_path, *cpu)
    assert "         2 processes share the requests; the first of them:\n" in said
    assert "         train.yaml:\n           " in said


def test_what_is_done_has_no_command(tmp_path: Path) -> None:
    (plan,) = json.loads(call("plan", DEMO, "--json", "--runs-dir", tmp_path))
    for stage in plan["jobs"][0]["stages"]:
        made = {"key": stage["key"], "made_from": {"select": "checkpoint-9"}}
        finish_in(Path(stage["folder"]), stage["stage"], **made)
    said = call("plan", DEMO, "--runs-dir", tmp_path)
    assert "(6 done)" in said
    assert "cd " not in said


def test_as_json(tmp_path: Path) -> None:
    (plan,) = json.loads(call("plan", RECIPES / "qwen2_7b_sft.yaml", "--json", "--runs-dir", tmp_path))
    assert list(plan) == ["recipe", "device", "gpus", "loads", "jobs"]
    assert len(plan["jobs"]) == 12
    convert, train = plan["jobs"][0]["stages"][:2]
    assert list(train) == ["stage", "key", "folder", "done", "argv", "env", "files"]
    assert (train["stage"], train["done"]) == ("train", False)
    assert "train.yaml" in train["files"]
    assert (convert["argv"], convert["env"], convert["files"]) == ([], {}, {})  # done in this process


def test_several_recipes_are_a_table_that_sums_up(tmp_path: Path) -> None:
    files = [RECIPES / f"{name}.yaml" for name in ("qwen2_7b_it", "qwen2_7b_zero_shot", "demo")]
    lines = call("plan", *files, "--runs-dir", tmp_path).splitlines()
    assert lines[2].split() == ["qwen2_7b_it", "it", "llamafactory", "1", "5", "0", "2", "1", "14", "0.01"]
    assert set(lines[1]) == set(lines[5]) == {"-"}
    assert lines[6].split() == ["all", "3", "13", "0", "5", "1", "26", "0.01"]
    assert lines[-2] == "Where there are both: 3 loads here, 26 there."
    assert lines[-1] == "One recipe alone, or --files, shows the stages and their commands."
    for same in (files[:2], [files[2], "--sweep", "seed=1,2"]):  # all of the release, none of it
        assert "Where there are both" not in call("plan", *same, "--runs-dir", tmp_path)


def test_two_recipes_of_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.yaml").write_text(f"extends: {RECIPES}/tiny_qwen2_zero_shot.yaml\n")
    said = call("plan", tmp_path / "a" / "same.yaml", tmp_path / "b" / "same.yaml", code=2)
    assert "both would write to the same folder" in said
