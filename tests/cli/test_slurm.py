"""``plan --on slurm``: the scripts of one recipe, several as a table; ``--on`` itself."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_slurm import FakeSlurm, fake_slurm
from tests.running import call
from tests.shared import RECIPES, ROOT

ON = ("--on", "slurm")
SFT, ZERO = RECIPES / "qwen2_7b_sft.yaml", RECIPES / "llava_video_72b_zero_shot.yaml"


@pytest.fixture(autouse=True)
def _no_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MMLA_SITE", raising=False)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return fake_slurm(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Slurm."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("without")
def test_one_recipe_shows_its_script_and_writes_nothing(tmp_path: Path) -> None:
    said = call("plan", SFT, *ON, "--runs-dir", tmp_path / "runs", "--results-dir", tmp_path, "--array-limit", 3)
    assert said.startswith("# qwen2_7b_sft: sbatch --parsable, 12 jobs\n#!/bin/bash\n#SBATCH --job-name=qwen2_7b_sft\n")
    assert "#SBATCH --array=0-11%3\n" in said
    assert "#SBATCH --gres=gpu:1\n" in said
    assert f"--runs-dir {tmp_path}/runs --results-dir {tmp_path} --checked --only" in said
    assert "note: no Slurm on this machine: what waits or runs is not known here\n" in said
    assert not (tmp_path / "runs").exists()


def test_the_script_is_the_one_that_is_submitted(slurm: FakeSlurm, demo: Path, tmp_path: Path) -> None:
    words = (RECIPES / "demo.yaml", *ON, "--runs-dir", tmp_path / "runs", "--results-dir", tmp_path / "results")
    words += ("--set", f"data.root={demo}", "--set", "slurm.prepare=[]")
    shown = call("plan", *words)
    call("run", *words)
    assert slurm.scripts == [shown.split("\n", 1)[1].removesuffix("\n")]
    assert "nothing to submit" in call("plan", *words), "it waits by now"


def test_several_recipes_are_a_table_that_sums_up(slurm: FakeSlurm, tmp_path: Path) -> None:
    said = call("plan", SFT, ZERO, *ON, "--runs-dir", tmp_path, "--set", "slurm.time=90", "--array-limit", 3)
    rows = [line.split() for line in said.splitlines()[:6]]
    assert " ".join(rows[0]) == "recipe jobs done queued submit arrays GPUs each nodes GPUs time partition"
    assert rows[2] == ["qwen2_7b_sft", "12", "0", "0", "12", "1", "1", "1", "3", "90"]
    assert rows[3] == ["llava_video_72b_zero_shot", "1", "0", "0", "1", "1", "4", "1", "4", "90"]
    assert rows[5] == ["all", "13", "0", "0", "13", "2", "7"]


def test_as_json(slurm: FakeSlurm, tmp_path: Path) -> None:
    (found,) = json.loads(call("plan", SFT, *ON, "--json", "--runs-dir", tmp_path))
    assert list(found) == ["recipe", "done", "queued", "owned", "batches"]
    (batch,) = found["batches"]
    assert (len(batch["jobs"]), batch["gpus"], batch["nodes"], batch["at_once"]) == (12, 1, 1, 12)
    assert batch["script"].startswith("#!/bin/bash\n")


def test_a_place_that_is_none() -> None:
    for command in ("run", "plan"):
        assert "unknown place to run on `slrm`\n    did you mean `slurm`?" in call(command, SFT, "--on", "slrm", code=2)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("--array-limit", 3), "--site and --array-limit are for a cluster\n    add --on slurm"),
        (("--site", "site.yaml"), "--site and --array-limit are for a cluster\n    add --on slurm"),
        ((*ON, "--jobs", 2), "--jobs is for the stages of one machine\n    --array-limit"),
    ],
)
def test_options_of_the_other_place_start_nothing(words: tuple[object, ...], wrong: str, tmp_path: Path) -> None:
    assert wrong in call("run", SFT, *words, "--runs-dir", tmp_path / "runs", code=2)
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("without")
def test_no_slurm_here(tmp_path: Path) -> None:
    said = call("run", SFT, *ON, "--runs-dir", tmp_path / "runs", code=2)
    assert "there is no `sbatch` on this machine" in said
    assert "`plan --on slurm` shows the scripts" in said
    assert not (tmp_path / "runs").exists()


def test_all_recipes_are_planned_in_a_moment(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "orchestrator", "plan", *ON, "--runs-dir", str(tmp_path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    recipes = sorted(map(str, RECIPES.glob("*.yaml")))
    subprocess.run([*argv, *recipes], cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # of a processor, as others may keep the machine busy
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.025 * len(recipes)
