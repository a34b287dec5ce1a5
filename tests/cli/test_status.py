from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.status import run_folders
from orchestrator.machine.leases import Lease, take
from orchestrator.machine.locks import is_running, run_lock
from orchestrator.machine.processes import STAGE_MARK
from orchestrator.plan.keys import KEYS
from tests.running import call


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
    stages = json.loads(call("status", "mine", "--json", "--runs-dir", tmp_path))["mine"]
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
    (*_, train) = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]
    assert (train["stage"], train["state"], train["progress"]) == ("demo/train", "stopped", "")
    assert "1 stopped" in call("ls", "runs", "--runs-dir", tmp_path)


def test_a_stage_runs_only_where_somebody_works_on_its_job(mine: Path, tmp_path: Path) -> None:
    other = write_stage(mine, "train", "running", "2026-01-01T00:00:02", job="other")
    other.parent.rename(mine / "other")
    write_stage(mine, "train", "running", "2026-01-01T00:00:01.200")
    lease = take(mine / "other")
    assert isinstance(lease, Lease)
    stages = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]
    assert [(stage["stage"], stage["state"]) for stage in stages[-2:]] == [
        ("demo/train", "stopped"),
        ("other/train", "running"),
    ]
    assert call("status", "--runs-dir", tmp_path).startswith("mine: running\n")
    (listed,) = json.loads(call("ls", "runs", "--json", "--runs-dir", tmp_path))
    assert listed["now"] == "running"
    lease.release()
    stages = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]
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


def test_a_run_of_an_earlier_version_that_runs(mine: Path, tmp_path: Path) -> None:
    assert not is_running(tmp_path / "none")
    with run_lock(mine):
        stages = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]
        assert call("status", "--runs-dir", tmp_path).startswith("mine: running\n")
    assert stages[-1]["state"] == "running"


@pytest.mark.parametrize(
    "odd", ["", "[]", "{}", '{"state": "done"}', '{"state": 3, "job": "a", "stage": "b", "attempts": []}',
            '{"state": "done", "job": "a", "stage": "b", "attempts": {"0": 1}}']
)  # fmt: skip
def test_a_damaged_stage_is_shown_as_such_and_hides_nothing(mine: Path, tmp_path: Path, odd: str) -> None:
    (mine / "demo" / "convert-0" / "stage.json").write_text(odd)
    stages = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]
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
        (found,) = json.loads(call("status", "--json", "--runs-dir", tmp_path))["mine"]
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
