from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.disk_progress import left_of
from orchestrator.cli.run_folders import run_folders
from orchestrator.machine.leases import Lease, take
from orchestrator.machine.processes import STAGE_MARK
from orchestrator.plan.keys import KEYS
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.plan.record import Attempt, Record, write
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.resolved import written
from orchestrator.run import RECIPE
from orchestrator.toolkits.base import Progress
from tests.recipes import write_rows
from tests.running import call
from tests.shared import RECIPES
from tests.stages import finish


def write_stage(folder: Path, kind: str, state: str, at: str, **more: Any) -> Path:
    stage = folder / "demo" / f"{kind}-0"
    stage.mkdir(parents=True, exist_ok=True)
    content = {"state": state, "job": "demo", "stage": kind, "attempts": [{"started_at": at}], "seconds": 1.0}
    content["inputs"] = {"keys": KEYS}
    (stage / "stage.json").write_text(json.dumps(content | more))
    return stage


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A run that was killed while it trained."""
    folder = tmp_path / "mine"
    write_stage(folder, "convert", "done", "2026-01-01T00:00:01.100")
    train = write_stage(folder, "train", "running", "2026-01-01T00:00:01.200", toolkit="llamafactory")
    write_stage(folder, "init", "done", "2026-01-01T00:00:00.900")
    (folder / "lock").touch()
    (train / "output").mkdir()
    (train / "output" / "trainer_log.jsonl").write_text('{"current_steps": 30, "total_steps": 90, "loss": 0.5}\n')
    return folder


def test_what_was_done_and_that_it_does_not_run(mine: Path, tmp_path: Path) -> None:
    stages = json.loads(call("status", "mine", "--json", "--runs-dir", tmp_path))["mine"]["stages"]
    assert [(stage["stage"], stage["state"], stage["progress"]) for stage in stages] == [
        ("demo/init", "done", ""),
        ("demo/convert", "done", ""),
        ("demo/train", "stopped", "step 30/90, loss 0.5"),
    ]
    said = call("status", "recipes/mine.yaml", "--runs-dir", tmp_path)
    assert said.startswith("mine: not running\nstage ")
    assert said.endswith(f"{mine / 'demo' / 'train-0'}\n\n")


def test_a_toolkit_that_is_not_known_here_hides_nothing(mine: Path, tmp_path: Path) -> None:
    write_stage(mine, "train", "running", "2026-01-01T00:00:01.200", toolkit="elsewhere")
    (*_, train) = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]["stages"]
    assert (train["stage"], train["state"], train["progress"]) == ("demo/train", "stopped", "")
    assert "1 stopped" in call("ls", "runs", "--runs-dir", tmp_path)


def test_a_stage_runs_only_where_somebody_works_on_its_job(mine: Path, tmp_path: Path) -> None:
    other = write_stage(mine, "train", "running", "2026-01-01T00:00:02", job="other")
    other.parent.rename(mine / "other")
    write_stage(mine, "train", "running", "2026-01-01T00:00:01.200")
    lease = take(mine / "other")
    assert isinstance(lease, Lease)
    stages = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]["stages"]
    assert [(stage["stage"], stage["state"]) for stage in stages[-2:]] == [
        ("demo/train", "stopped"),
        ("other/train", "running"),
    ]
    assert call("status", "--runs-dir", tmp_path).startswith("mine: running\n")
    (listed,) = json.loads(call("ls", "runs", "--json", "--runs-dir", tmp_path))
    assert listed["now"] == "running"
    lease.release()
    stages = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]["stages"]
    assert [stage["state"] for stage in stages[-2:]] == ["stopped", "stopped"]
    assert call("status", "--runs-dir", tmp_path).startswith("mine: not running\n")


@pytest.mark.parametrize("sign", ["recipe.yaml", "demo/lock", "demo/score-0/stage.json"])
def test_a_run_is_known_by_its_recipe_or_its_jobs(tmp_path: Path, sign: str) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / "other").mkdir()
    file = tmp_path / "mine" / sign
    file.parent.mkdir(parents=True)
    file.touch()
    assert run_folders(tmp_path) == {"mine": tmp_path / "mine"}
    assert run_folders(tmp_path / "none") == {}


def test_what_a_killed_run_left_running_is_ended_where_nobody_works_on_its_job(mine: Path, tmp_path: Path) -> None:
    def sleeper(job: str) -> subprocess.Popen[bytes]:
        mark = {STAGE_MARK: str((mine / job / "train-0").resolve())}
        return subprocess.Popen(["sleep", "100"], env=os.environ | mark)

    program = "import pathlib, sys, os; from orchestrator.machine.leases import take; take(pathlib.Path(sys.argv[1]))"
    program += "; os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", program, str(mine / "demo")]).returncode == -9
    lease = take(mine / "other")
    assert isinstance(lease, Lease)
    with sleeper("demo") as left, sleeper("other") as theirs:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", "status", "--runs-dir", str(tmp_path)],
            capture_output=True,
            text=True,
        )
        assert done.stderr == f"mine: ended what a killed run left: process {left.pid} (sleep)\n"
        assert left.wait(30) == -15
        assert theirs.poll() is None
        theirs.kill()
    assert not (mine / "demo" / "lock").exists()
    assert (mine / "other" / "lock").exists()
    lease.release()


@pytest.mark.parametrize(
    "odd", ["", "[]", "{}", '{"state": "done"}', '{"state": 3, "job": "a", "stage": "b", "attempts": []}',
            '{"state": "done", "job": "a", "stage": "b", "attempts": {"0": 1}}']
)  # fmt: skip
def test_a_damaged_stage_is_shown_as_such_and_hides_nothing(mine: Path, tmp_path: Path, odd: str) -> None:
    (mine / "demo" / "convert-0" / "stage.json").write_text(odd)
    stages = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]["stages"]
    assert {stage["stage"]: stage["state"] for stage in stages} == {
        "demo/init": "done", "demo/convert": "damaged", "demo/train": "stopped"
    }  # fmt: skip
    assert "1 damaged" in call("ls", "runs", "--runs-dir", tmp_path)
    assert "demo/convert  damaged" in call("status", "--runs-dir", tmp_path)


def test_answers_are_counted_and_an_error_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    infer = write_stage(folder, "infer", "failed", "2026-01-01T00:00:00", error="it broke\nas follows")
    (folder / "lock").touch()

    def stage() -> dict[str, Any]:
        (found,) = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]["stages"]
        return dict(found)

    assert (stage()["progress"], stage()["error"]) == ("", "it broke")
    (infer / "requests.jsonl").write_text("{}\n" * 3)
    assert stage()["progress"] == "sample 0/3"
    (infer / "predictions.jsonl").write_text("{}\n")
    (infer / "predictions.1.jsonl").write_text("{}\n")
    assert stage()["progress"] == "sample 2/3"


def test_no_such_run(mine: Path, tmp_path: Path) -> None:
    assert "no runs in" in call("status", "--runs-dir", tmp_path / "none")
    assert "give its folder with --runs-dir" in call("status", "x", "--runs-dir", tmp_path / "none", code=2)
    assert "did you mean `mine`?" in call("status", "mien", "--runs-dir", tmp_path, code=2)
    assert "runs: mine" in call("status", "else", "--runs-dir", tmp_path, code=2)


@pytest.fixture
def kept(tmp_path: Path, demo: Path) -> tuple[Path, Plan]:
    """A run's folder with its recipe of three tasks, and its plan; of the first nothing is left to do."""
    write_tasks(demo)
    runs = tmp_path / "runs"
    recipe = load_recipe(RECIPES / "demo.yaml", (f"data.root={demo}", f"tasks=[{', '.join(THREE)}]"))
    plan = make_plan(recipe, runs)
    folder = runs / "demo"
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(written(recipe, folder))
    for stage in plan.jobs[0].stages:
        finish(stage, attempts=[Attempt(started_at="2026-01-01T00:00:00+00:00", seconds=60.0)], seconds=60.0)
    return folder, plan


def write_tasks(data: Path) -> None:
    for name in THREE[1:]:
        (data / name).mkdir()
        (data / name / "task.yaml").write_text("labels: [yes, no]\nlanguage: en\n".replace("yes, no", "good, bad"))
        for split in ("train", "dev", "test"):
            rows = [(f"{split}{number}", "", f"{split} {number} of {name}", "good") for number in range(4)]
            write_rows(data / name / f"{split}.tsv", rows)


THREE = ("demo", "second", "third")


def state_of(folder: Path) -> Any:
    (found,) = json.loads(call("status", "--json", "--runs-dir", folder.parent)).values()
    return found


def begin(plan: Plan, job: int, kind: str, seconds_ago: float, **attempt: Any) -> Path:
    """Have a stage run since then."""
    stage = plan.jobs[job].stage(kind)
    started = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    now = Attempt(started_at=started.isoformat(), **attempt)
    record = Record(
        state="running", stage=stage.kind, job=stage.job, key=stage.key, toolkit="llamafactory", attempts=[now]
    )
    write(stage.folder, record)
    return stage.folder


def log_steps(folder: Path, steps: int, total: int = 90) -> None:
    (folder / "output").mkdir(exist_ok=True)
    line = json.dumps({"current_steps": steps, "total_steps": total})
    (folder / "output" / "trainer_log.jsonl").write_text(f"{line}\n")


def test_jobs_that_have_not_begun_wait(kept: tuple[Path, Plan]) -> None:
    folder, plan = kept
    found = state_of(folder)
    assert (found["jobs"], found["jobs_done"], found["running"], found["note"]) == (3, 1, False, "")
    assert found["waiting"] == ["second", "third"]
    begin(plan, 1, "convert", 5)
    assert state_of(folder)["waiting"] == [
        *(f"second/{kind}" for kind in ("init", "train", "select", "infer", "score")),
        "third",
    ]
    said = call("status", "--runs-dir", folder.parent).splitlines()
    assert said[:2] == ["demo: not running", "1 of 3 jobs are done"]
    assert [line.split() for line in said if line.startswith("third")] == [["third", "waiting"]]
    for job in plan.jobs[1:]:
        for stage in job.stages:
            finish(stage)
    assert (state_of(folder)["jobs_done"], state_of(folder)["waiting"]) == (3, [])


def test_who_works_on_it_and_for_how_long(kept: tuple[Path, Plan]) -> None:
    folder, plan = kept
    train = begin(plan, 1, "train", 130, startup_seconds=30.0, resumed_from="")
    log_steps(train, 50)
    stage = state_of(folder)["stages"][-1]
    assert (stage["state"], stage["left"]) == ("stopped", None)
    lease = take(folder / "second")
    assert isinstance(lease, Lease)
    found = state_of(folder)
    said = call("status", "--runs-dir", folder.parent)
    lease.release()
    stage = found["stages"][-1]
    assert (stage["stage"], stage["state"], stage["progress"]) == ("second/train", "running", "step 50/90")
    assert stage["seconds"] == pytest.approx(130, abs=10)
    assert stage["left"] == pytest.approx(80, abs=10), "50 steps took 100 s without the loading"
    assert {job: owner["pid"] for job, owner in found["owners"].items()} == {"second": os.getpid()}
    assert found["left"] is not None
    assert said.startswith("demo: running\n1 of 3 jobs are done, about ")
    assert f"\nprocess {os.getpid()} on host {socket.gethostname()} since " in said


@pytest.mark.parametrize(
    ("attempts", "done", "left"),
    [
        ([{"resumed_from": ""}], 50, 104.0),
        ([{"startup_seconds": 30.0}], 50, 80.0),
        ([{}], 2, None),  # loading took most of the time
        ([{"startup_seconds": 30.0}], 2, 4400.0),
        ([{}, {}], 50, None),  # of these steps some are an earlier attempt's
        ([{}, {"resumed_from": "output/checkpoint-40", "startup_seconds": 30.0}], 50, 400.0),
        ([{}, {"resumed_from": "40 answers", "startup_seconds": 30.0}], 50, 400.0),
        ([{}, {"resumed_from": "output/checkpoint-40"}], 40, None),
    ],
)  # fmt: skip
def test_the_time_left_by_the_speed_of_the_last_attempt(
    attempts: list[dict[str, Any]], done: int, left: float | None
) -> None:
    record = Record(state="running", stage="train", attempts=[Attempt(started_at=AT, **one) for one in attempts])
    assert left_of(record, Progress(done, 90), 130.0) == left
    assert left_of(record, None, 130.0) is None


AT = "2026-01-01T00:00:00+00:00"


def test_where_the_data_is_not_here_only_what_is_known_is_told(kept: tuple[Path, Plan], demo: Path) -> None:
    folder, _ = kept
    shutil.rmtree(demo / "third")
    write_rows(demo / "second" / "train.tsv", [])
    found = state_of(folder)
    assert (found["jobs"], found["jobs_done"]) == (None, 1)
    assert "unknown task `third`" in found["note"]
    (demo / "second" / "test.tsv").unlink()
    text = (folder / RECIPE).read_text().replace(", third", "").replace("- third\n", "")
    (folder / RECIPE).write_text(text)
    found = state_of(folder)
    assert (found["jobs"], found["jobs_done"], found["waiting"]) == (2, 1, ["second"])
    assert found["note"] == f"what is still to be done is not known here: no test split of second in {demo}"
    (folder / RECIPE).write_text("- x\n")
    found = state_of(folder)
    assert (found["jobs"], found["jobs_done"], len(found["stages"])) == (None, 1, 6)
    assert found["note"].startswith("what has not begun is not known here: ")
    assert "note: what has not begun" in call("status", "--runs-dir", folder.parent)
