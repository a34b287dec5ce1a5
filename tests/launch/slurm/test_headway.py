"""How far a job is, and how often it was begun for nothing."""

from __future__ import annotations

from pathlib import Path

from orchestrator.launch.slurm.headway import Headway, further, how_far
from orchestrator.machine.files import write_json


def checkpoint(job: Path, step: int) -> Path:
    folder = job / "train-1" / "output" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    write_json(job / "train-1" / "stage.json", {"state": "running", "stage": "train", "key": "1"})
    write_json(folder / "trainer_state.json", {"global_step": step})
    return folder


def test_what_counts(tmp_path: Path) -> None:
    job = tmp_path / "MELD"
    checkpoint(job, 2)
    checkpoint(job, 10)
    (checkpoint(job, 12) / "trainer_state.json").unlink()
    (checkpoint(job, 14) / "checkpoint-is-incomplete.txt").touch()
    write_json(job / "infer-2" / "stage.json", {"state": "done", "stage": "infer", "key": "2"})
    (job / "infer-2" / "predictions.jsonl").write_text("{}\n{}\n")
    (job / "infer-2" / "predictions.1.jsonl").write_text("{}\nhalf a li")
    found = how_far(job)
    assert (found["train-1 done"], found["train-1 steps"]) == (0, 10)
    assert (found["infer-2 done"], found["infer-2 answers"]) == (1, 3)
    assert how_far(tmp_path / "nothing") == {}


def test_further() -> None:
    assert not further({"steps": 2}, {"steps": 2})
    assert not further({"steps": 0}, {}), "a stage that has begun has done nothing yet"
    assert not further({"steps": 1}, {"steps": 2}), "a checkpoint that was damaged is no progress"
    assert further({"steps": 3, "answers": 0}, {"steps": 2, "answers": 9})


def test_starts_without_progress(tmp_path: Path) -> None:
    job = tmp_path / "runs" / "recipe" / "MELD"
    job.mkdir(parents=True)
    assert [Headway.begun(job, "7").vain for _ in range(3)] == [0, 1, 2]
    checkpoint(job, 2)
    assert Headway.begun(job, "7").vain == 0
    assert Headway.begun(job, "7").vain == 1
    assert Headway.begun(job, "8").vain == 0, "it was submitted again"
    (job.parent / "slurm" / "MELD.starts.json").write_text("half a fi")
    assert Headway.begun(job, "8").vain == 0
