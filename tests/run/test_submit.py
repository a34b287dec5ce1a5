"""``run --on slurm``: what is submitted, what is not, and that a job does what was asked whatever came after."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InputError
from orchestrator.launch.slurm import client
from orchestrator.machine.leases import Lease, take
from orchestrator.run import fetch, submit
from orchestrator.scores.results import read_results
from tests.fake_slurm import FakeSlurm, fake_slurm
from tests.run.place import Place
from tests.shared import ROOT

ON = ("--on", "slurm")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.setenv("HOME", str(tmp_path))  # whatever site file the user has
    monkeypatch.delenv("MMLA_SITE", raising=False)
    return fake_slurm(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def both(tmp_path: Path, data: Path, slurm: FakeSlurm) -> Place:
    """A recipe of two jobs."""
    return Place(tmp_path / "place", data, tasks="demo, MELD")


def submitted(place: Place, run: str = "echoed") -> dict[str, Any]:
    file = place.folder / "runs" / run / "slurm.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def jobs(scripts: Sequence[str]) -> list[str]:
    return [re.findall(r"^jobs=\((.*)\)$", script, re.MULTILINE)[0] for script in scripts]


def work(script: str, index: int = 0) -> None:
    """Do what Slurm would do with a script."""
    env = os.environ | {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": str(index)}
    env |= {"PYTHONPATH": str(ROOT / "tests" / "echo")}
    subprocess.run(["bash", "-c", script], cwd=ROOT, env=env, check=True, capture_output=True)


def test_one_array_for_a_recipe_and_what_it_is(both: Place, slurm: FakeSlurm) -> None:
    said = both.run(*ON, "--array-limit", 1)
    (script,) = slurm.scripts
    assert "#SBATCH --array=0-1%1\n" in script
    assert jobs(slurm.scripts) == ["demo MELD"]
    assert f"#SBATCH --chdir={Path.cwd()}\n" in script
    folder = both.folder / "runs" / "echoed"
    found = submitted(both)
    assert {job: one["id"] for job, one in found.items()} == {"demo": "100_0", "MELD": "100_1"}
    assert found["MELD"]["log"] == str(folder / "slurm" / "100_1.log")
    assert Path(found["demo"]["script"]).read_text() == script
    assert (folder / "recipe.yaml").is_file(), "status reads there what is still to come"
    assert "echoed: Slurm job 100: 2 jobs, at most 1 at once, each with no GPU: demo, MELD\n" in said
    assert f"python -m orchestrator cancel echoed --runs-dir {both.folder / 'runs'}\n" in said


def test_asked_again_it_submits_nothing_that_waits_or_runs(both: Place, slurm: FakeSlurm) -> None:
    both.run(*ON)
    slurm.queue("100_0|RUNNING|None|2026-12-01T10:00:00|n1", "100_1|PENDING|Resources|N/A|")
    said = both.run(*ON)
    assert len(slurm.scripts) == 1
    assert "echoed: submitted before: demo (100_0, running), MELD (100_1, pending)\nnothing to submit\n" in said


def test_what_another_shell_submits_meanwhile_is_said(
    both: Place, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = submit._prepare

    def meanwhile(*words: Any) -> None:
        monkeypatch.setattr(submit, "_prepare", prepare)
        both.run(*ON)
        prepare(*words)

    monkeypatch.setattr(submit, "_prepare", meanwhile)
    said = both.run(*ON)
    assert len(slurm.scripts) == 1
    assert "echoed: submitted before: demo (100_0, pending), MELD (100_1, pending)\nnothing to submit\n" in said


def test_what_slurm_took_before_somebody_was_stopped_is_not_submitted_again(
    both: Place, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch, squeue = (slurm.home / "bin" / name for name in ("sbatch", "squeue"))
    usual = sbatch.read_text(), squeue.read_text()
    sbatch.write_text(f"{usual[0]}exec sleep 60\n")
    with monkeypatch.context() as patch:
        patch.setattr(client, "SECONDS", 5.0)
        assert "sbatch has not answered for 5 s\n    run the same command again" in both.run(*ON, code=2)
    assert (submitted(both), len(slurm.scripts)) == ({}, 1)
    (script,) = (both.folder / "runs" / "echoed" / "slurm").glob("*.sh")
    sbatch.write_text(usual[0])
    ours = f'case "$*" in *%o*) echo "99|/else/x.sh"; echo "100|{script}"; exit;; esac'
    squeue.write_text(usual[1].replace("#!/bin/bash\n", f"#!/bin/bash\n{ours}\n"))
    assert "Slurm job 100: 2 jobs" in both.run(*ON)
    assert len(slurm.scripts) == 1
    assert {job: one["id"] for job, one in submitted(both).items()} == {"demo": "100_0", "MELD": "100_1"}


def test_options_without_a_value_can_be_set(both: Place, slurm: FakeSlurm) -> None:
    both.run(*ON, "--set", "slurm.extra.exclusive=true", "--set", "slurm.extra.contiguous=false")
    asked = [line for line in slurm.scripts[0].splitlines() if line.startswith("#SBATCH")]
    assert [line for line in asked if "exclusive" in line or "contiguous" in line] == ["#SBATCH --exclusive"]


def test_what_failed_is_submitted_again_because_somebody_asks(both: Place, slurm: FakeSlurm) -> None:
    both.run(*ON)
    slurm.queue("100_0|FAILED|NonZeroExitCode|N/A|", "100_1|PENDING|Resources|N/A|")
    both.run(*ON)
    assert jobs(slurm.scripts) == ["demo MELD", "demo"]
    assert {job: one["id"] for job, one in submitted(both).items()} == {"demo": "101_0", "MELD": "100_1"}


def test_what_is_done_is_not_submitted(both: Place, slurm: FakeSlurm) -> None:
    both.run("--only", "demo")
    said = both.run(*ON)
    assert jobs(slurm.scripts) == ["MELD"]
    assert "echoed: 1 job done already\n" in said
    both.run()
    assert both.run(*ON) == "echoed: 2 jobs done already\nnothing to submit\n"


def test_a_job_that_a_process_works_on_is_left_alone(both: Place, slurm: FakeSlurm) -> None:
    lease = take(both.folder / "runs" / "echoed" / "demo")
    assert isinstance(lease, Lease)
    said = both.run(*ON)
    lease.release()
    assert jobs(slurm.scripts) == ["MELD"]
    assert f"demo is left alone: process {os.getpid()} on host" in " ".join(said.split())


def test_other_settings_under_the_same_name_are_refused_while_jobs_wait(both: Place, slurm: FakeSlurm) -> None:
    both.run(*ON, "--task", "demo")
    said = both.run(*ON, "--set", "seed=7", code=2)
    assert "echoed demo waits or runs as Slurm job 100_0, with other settings or data\n    cancel it first" in said
    assert len(slurm.scripts) == 1
    # what changes nothing that is computed is no other setting
    both.run(*ON, "--set", "slurm.time=90")
    assert jobs(slurm.scripts) == ["demo", "MELD"]


def test_a_job_does_what_was_asked_when_it_was_submitted(both: Place, slurm: FakeSlurm) -> None:
    both.run(*ON, "--limit", 5)
    text = both.recipe.read_text()
    both.recipe.write_text(text.replace("epochs: 1", "epochs: 3"))
    kept = both.folder / "runs" / "echoed" / "recipe.yaml"
    kept.write_text(kept.read_text().replace("limit: 5", "limit: 3"))  # as any later run does
    work(slurm.scripts[0], 1)
    assert {task: row["n"] for task, row in both.rows().items()} == {"MELD": 5}
    both.recipe.write_text(text)
    assert "1 job done already" in both.run(*ON, "--limit", 5), "the key is that of one epoch"


def test_jobs_of_a_sweep_write_to_the_table_of_all(place: Place, slurm: FakeSlurm) -> None:
    place.run(*ON, "--sweep", "seed=1,2")
    for script in slurm.scripts:
        work(script)
    rows = read_results(place.folder / "echoed.sweep-seed.csv")
    assert sorted((row["recipe"], row["seed"]) for row in rows if row["task"] == "demo") == [
        ("echoed-seed_1", 1), ("echoed-seed_2", 2)
    ]  # fmt: skip
    assert [path.name for path in place.folder.glob("*.csv")] == ["echoed.sweep-seed.csv"]


@pytest.mark.parametrize(
    ("most", "names", "ids"),
    [
        (2, ["demo MELD"], ["100_0", "100_1"]),
        (1, ["demo", "MELD"], ["100_0", "101_0"]),
        (0, ["demo", "MELD"], ["100", "101"]),
    ],
)
def test_arrays_are_split_where_a_site_allows_no_longer_ones(
    both: Place, slurm: FakeSlurm, most: int, names: list[str], ids: list[str]
) -> None:
    slurm.arrays_of(most)
    both.run(*ON)
    assert jobs(slurm.scripts) == names
    assert [one["id"] for one in submitted(both).values()] == ids


@pytest.mark.parametrize(("most", "note"), [(2, False), (1, True), (0, True)])
def test_a_limit_that_counts_for_each_array_alone_is_said(both: Place, slurm: FakeSlurm, most: int, note: bool) -> None:
    slurm.arrays_of(most)
    said = " ".join(both.run(*ON, "--array-limit", 1).split())
    assert ("note: echoed: up to 2 jobs at once, as the limit of 1 counts for each of its arrays alone" in said) is note


def test_what_slurm_refuses_is_not_noted(both: Place, slurm: FakeSlurm) -> None:
    slurm.refuse()
    assert "Invalid partition name specified" in both.run(*ON, code=2)
    assert submitted(both) == {}


def test_the_gpus_are_the_nodes(both: Place, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    wide = [f"--set={key}" for key in ("resources.device=cuda", "resources.processes=2", "train.micro_batch_size=2")]
    both.run(*ON, *wide)
    assert "#SBATCH --gres=gpu:2\n" in slurm.scripts[0]
    assert "needs 2 GPUs, 0 can be seen here" in both.run(*wide, code=2)


def test_what_is_wrong_is_said_before_anything_waits(both: Place, slurm: FakeSlurm) -> None:
    assert "no data for" in both.run(*ON, "--set", f"data.root={both.folder}", code=2)
    assert slurm.scripts == []


def test_one_stage_alone_is_no_job_of_slurm(both: Place, slurm: FakeSlurm) -> None:
    said = both.run(*ON, "--only", "demo/train", code=2)
    assert "a Slurm job does all that is left of a job" in said
    assert "--only demo" in said


def test_a_site_file_is_asked_and_its_name_may_be_wrong(both: Place, slurm: FakeSlurm) -> None:
    site = both.folder / "site.yaml"
    site.write_text("partition: gpu\naccount: lab\n")
    both.run(*ON, "--site", site, "--set", "slurm.account=mine")
    assert "#SBATCH --partition=gpu\n#SBATCH --account=mine\n" in slurm.scripts[0]
    assert "there is no such file" in both.run(*ON, "--site", both.folder / "none.yaml", code=2)


def test_what_is_prepared_can_be_left_to_the_job(
    both: Place, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(submit, "build_environments", lambda plans, _: done.extend("environments" for _ in plans))
    monkeypatch.setattr(submit, "unpack_videos", lambda recipes, _: done.extend("videos" for _ in recipes))
    monkeypatch.setattr(submit, "fetch_weights", lambda plans, _: done.extend("weights" for _ in plans))
    both.run(*ON, "--set", "slurm.prepare=[weights]", "--task", "demo")
    assert done == ["weights"]
    both.run(*ON, "--set", "slurm.prepare=[]", "--task", "demo", "--set", "name=other")
    assert done == ["weights"]
    both.run(*ON, "--set", "name=another")
    assert done == ["weights", "videos", "environments", "weights"]


def test_weights_are_fetched_at_their_commit_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    class Hub:
        class utils:
            @staticmethod
            def disable_progress_bars() -> None: ...

        @staticmethod
        def snapshot_download(repository: str, **options: Any) -> None:
            asked.append({"repository": repository, **options})

    class Plan:
        class recipe:
            class resources:
                env = {"HF_HOME": str(tmp_path)}  # noqa: RUF012

    monkeypatch.setattr(fetch, "hub", lambda: Hub)
    monkeypatch.setattr(fetch, "repositories", lambda _: [("a/model", "c" * 40), ("a/part", None)])
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    fetch.fetch_weights([Plan, Plan], lambda _: None)  # type: ignore[list-item]
    assert [(one["repository"], one["revision"], one["cache_dir"]) for one in asked] == [
        ("a/model", "c" * 40, f"{tmp_path}/hub"), ("a/part", None, f"{tmp_path}/hub")
    ]  # fmt: skip


def test_weights_that_cannot_be_fetched_can_be_left_to_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise InputError("downloading needs huggingface_hub")

    monkeypatch.setattr(fetch, "hub", absent)
    with pytest.raises(InputError, match=r"a/model cannot be fetched: downloading needs.*\n.*leave it to the job"):
        fetch._fetch("a/model", None, "/cache", lambda _: None)
