from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan.outputs import InferOutputs
from orchestrator.plan.record import Attempt
from tests.recipes import plan_of
from tests.running import call
from tests.shared import RECIPES
from tests.stages import finish, finish_in

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
    assert list(plan) == ["recipe", "device", "gpus", "loads", "gpu_hours", "disk_bytes", "jobs"]
    assert len(plan["jobs"]) == 12
    convert, train = plan["jobs"][0]["stages"][:2]
    needs = ["seconds", "gpu_hours", "disk_bytes"]
    assert list(train) == ["stage", "key", "folder", "done", "argv", "env", "files", *needs]
    assert (train["stage"], train["done"]) == ("train", False)
    assert "train.yaml" in train["files"]
    assert (convert["argv"], convert["env"], convert["files"]) == ([], {}, {})  # done in this process


def test_several_recipes_are_a_table_that_sums_up(tmp_path: Path) -> None:
    files = [RECIPES / f"{name}.yaml" for name in ("qwen2_7b_it", "qwen2_7b_zero_shot", "demo")]
    lines = call("plan", *files, "--runs-dir", tmp_path).splitlines()
    assert lines[0].split() == [*["recipe", "jobs", "done", "loads", "GPUs", "GPU", "h", "disk", "GB", "released"]]
    assert lines[2].split() == ["qwen2_7b_it", "1", "0/5", "2", "1", "0.7", "14"]
    assert lines[4].split() == ["demo", "1", "0/6", "2", "0", "0", "<0.1"]
    assert set(lines[1]) == set(lines[5]) == {"-"}
    assert lines[6].split() == ["all", "3", "0/13", "5", "1", "0.7", "26"]
    there = "3 loads here, 26 there, and 0.01 TB of merged weights."
    assert f"Where there are both: {there}" in " ".join(lines)
    assert lines[-1] == "One recipe alone, or --files, shows the stages and their commands."
    assert "Where there are both" not in (said := call("plan", *files[:2], "--runs-dir", tmp_path))
    assert f"\n{there}\n" in said
    assert " there" not in call("plan", files[2], "--sweep", "seed=1,2", "--runs-dir", tmp_path)


def test_every_recipe_fits_a_terminal(tmp_path: Path) -> None:
    rates = ("--set", "resources.seconds_per_step=99", "--set", "resources.seconds_per_answer=9")
    for more in ((), rates):
        lines = call("plan", *RECIPES.glob("*.yaml"), "--runs-dir", tmp_path, *more).splitlines()
        assert len(lines) > 50
        assert max(map(len, lines)) <= 80


def test_gpu_hours_and_hours_at_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two GPUs, where the longest job takes longer than that."""
    rates = ("--set", "resources.seconds_per_step=3600", "--set", "resources.seconds_per_answer=3600")
    sft = (RECIPES / "llava_video_7b_sft.yaml", "--task", "MELD", "--task", "MOSI", "--runs-dir", tmp_path, *rates)
    short = ("--set", "train.max_steps=8", "--set", "resources.inference_processes=1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    said = call("plan", *sft, *short)
    assert "         takes 2,610 h on 1 GPU (2,610 GPU h), 1.9 MB\n" in said
    assert "         takes 8 h on 8 GPUs (64.0 GPU h), " in said
    whole = 2 * 64 + 2610 + 686
    assert f"What is left takes about {whole:,} GPU hours and " in said
    assert "At best" not in said
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert f"At best {8 + 2610:,} h on the 2 GPUs here." in call("plan", *sft, *short)
    one = call("plan", *sft, *short, "--only", "MELD/train")
    assert "At best 32 h on the 2 GPUs here." in one


def test_what_is_not_known_is_asked_for(tmp_path: Path) -> None:
    def asked(*more: str) -> str:
        return call("plan", RECIPES / "qwen2_7b_it.yaml", "--runs-dir", tmp_path, *more).replace("\n", " ")

    said = asked()
    assert "GPU hours" not in said
    assert "How long 2 stages on GPUs will take is not known" in said
    assert "--set resources.seconds_per_step=... --set resources.seconds_per_answer=..." in said
    one = asked("--set", "resources.seconds_per_answer=1")
    assert "How long 1 stage on GPUs will take" in one
    assert "say it: --set resources.seconds_per_step=..." in one
    assert "seconds_per_answer=..." not in one


def test_a_model_of_unknown_size(tmp_path: Path) -> None:
    mine = "model={name: mine, toolkit: llamafactory, type: LLM, template: qwen, path: a/b}"
    said = call("plan", RECIPES / "qwen2_7b_it.yaml", "--set", mine, "--runs-dir", tmp_path)
    assert " GB of disk, and 1 stage of unknown size.\n" in said


def test_too_little_disk_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = (RECIPES / "qwen2_7b_it.yaml", "--runs-dir", tmp_path / "not" / "there")
    free = shutil.disk_usage(tmp_path)
    assert "has" in call("plan", *recipe)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=600_000_000))
    said = " ".join(call("plan", *recipe).split())
    assert "has 0.6 GB free, 0.7 GB are needed: free some, or name another disk with --runs-dir" in said
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=800_000_000))
    said = " ".join(call("plan", *recipe).split())
    assert f"The disk of {tmp_path}/not/there has 0.8 GB free." in said
    assert "needed" not in said


def test_gpu_hours_where_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model so small that it would run on this machine's CPU: what it took on GPUs counts, what on CPUs does not."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    recipe = (RECIPES / "qwen2_0_5b_zero_shot.yaml", "--task", "MELD")

    def planned(runs: str, *more: str) -> Any:
        (plan,) = json.loads(call("plan", *recipe, "--json", "--runs-dir", tmp_path / runs, *more))
        assert plan["device"] == "cpu"
        return plan["gpu_hours"]

    assert planned("none") is None
    assert planned("none", "--set", "resources.seconds_per_answer=3600") == 2610
    for device in ("cpu", "cuda"):
        plan = plan_of("qwen2_0_5b_zero_shot", "tasks=[MELD]", "data.limit=9", runs=tmp_path / device)
        stage = plan.jobs[0].stage("infer")
        took = Attempt(started_at="2026-11-26T04:00:00+00:00", seconds=18, resumed_from="")
        known = {"inputs": dict(stage.inputs), "toolkit": plan.engine.environment.name, "attempts": [took]}
        finish(stage, device=device, outputs=InferOutputs(requests=9), **known)
    assert planned("cpu") is None
    assert planned("cuda") == 2 * 2610 / 3600


def test_two_recipes_of_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.yaml").write_text(f"extends: {RECIPES}/tiny_qwen2_zero_shot.yaml\n")
    said = call("plan", tmp_path / "a" / "same.yaml", tmp_path / "b" / "same.yaml", code=2)
    assert "both would write to the same folder" in said


@pytest.mark.parametrize("key", ["seconds_per_step", "seconds_per_answer"])
def test_a_length_beyond_all_sense_is_refused(key: str) -> None:
    said = call("plan", RECIPES / "qwen2_7b_sft.yaml", "--set", f"resources.{key}=1e308", code=2)
    assert f"`resources.{key}` must be" in said
    assert "fault of the program" not in said


@pytest.mark.parametrize("more", [(), ("--json",), ("--files",)])
def test_a_family_that_the_toolkit_shows_no_video_is_refused(tmp_path: Path, more: tuple[str, ...]) -> None:
    wrong = ("--set", "model.template=gemma3", "--runs-dir", tmp_path, *more)
    said = call("plan", RECIPES / "qwen2_vl_7b_sft.yaml", *wrong, code=2)
    assert said.startswith("error: --set model.template=gemma3: model.template: llamafactory 0.9.5 shows no video to ")
    assert said.count("shows no video") == 1, "of twelve jobs"
    call("plan", RECIPES / "qwen2_vl_7b_sft.yaml", *wrong, "--set", "data.modality=text")


def test_all_recipes_that_cannot_run_are_told(tmp_path: Path) -> None:
    recipes = [RECIPES / f"{name}_zero_shot.yaml" for name in ("qwen2_vl_7b", "minicpm_v_2_6", "gpt_4o", "qwen2_7b")]
    said = call("plan", *recipes, "--set", "model.template=nope", "--runs-dir", tmp_path, code=2)
    assert said.count("the toolkit knows no ") == 3 - 1, "two are of one toolkit"
    # what this machine lacks is no reason to plan nothing
    assert "gpt_4o" in call("plan", *recipes, "--runs-dir", tmp_path)
