"""The trainer's output folder: from which checkpoint a training goes on, and which can be used."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from orchestrator.inside.between import MARK
from orchestrator.toolkits import registry
from orchestrator.toolkits.base import Trainer
from tests.checkpoints import STATES, write_checkpoint

TRAINING = ("llamafactory", "llava_next", "swift", "videollama2")


@pytest.fixture(params=TRAINING)
def trainer(request: pytest.FixtureRequest) -> Trainer:
    return registry.trainer(str(request.param))


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.partition("-")[2]) for path in (folder / "output").glob("checkpoint-*"))


@pytest.mark.parametrize("kept", [0, 40])
def test_the_next_older_one_is_taken_and_said(tmp_path: Path, trainer: Trainer, kept: int) -> None:
    names = sorted(path.name for path in write_checkpoint(tmp_path / "one", 1, projector=True).iterdir())
    assert {*STATES, "adapter_model.safetensors", "trainer_state.json"} < set(names)
    for name in names:
        for step in (10, 20, 30):
            path = write_checkpoint(tmp_path / "output", step, projector=True) / name
        path.write_bytes(path.read_bytes()[:kept])
        if kept and name in ("adapter_config.json", "config.json"):  # too short to be cut
            continue
        whole = [10, 20, 30] if name in STATES else [10, 20]
        assert [checkpoint.step for checkpoint in trainer.checkpoints(tmp_path)] == whole, name
        assert set(trainer.damaged(tmp_path)) == {10, 20, 30} - set(whole)
        said: list[str] = []
        assert trainer.resumable(tmp_path, said.append) == "output/checkpoint-20", name
        (line,) = said
        assert line.startswith("checkpoint-30 is damaged (")
        assert name in line
        assert line.endswith(") and left out")
        assert steps(tmp_path) == [10, 20]


def test_several_are_damaged(tmp_path: Path, trainer: Trainer) -> None:
    for step in (5, 10, 20, 30):
        write_checkpoint(tmp_path / "output", step, projector=True)
    (tmp_path / "output" / "checkpoint-5" / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "output" / "checkpoint-20" / "scheduler.pt").unlink()
    (tmp_path / "output" / "checkpoint-30" / "rng_state.pth").write_bytes(b"")
    said: list[str] = []
    assert trainer.resumable(tmp_path, said.append) == "output/checkpoint-10"
    assert said == [
        "checkpoint-30 is damaged (rng_state.pth is empty) and left out",
        "checkpoint-20 is damaged (scheduler.pt is missing) and left out",
        "checkpoint-5 is damaged (adapter_model.safetensors is empty) and left out",
    ]


def test_without_an_optimizer_training_begins_anew(tmp_path: Path, trainer: Trainer) -> None:
    write_checkpoint(tmp_path / "output", 10, projector=True, states=STATES[1:])
    write_checkpoint(tmp_path / "output", 20, projector=True)
    assert trainer.resumable(tmp_path) == "output/checkpoint-20"
    assert steps(tmp_path) == [10, 20], "inference may choose the older one"
    (tmp_path / "output" / "checkpoint-20" / "optimizer.pt").write_bytes(b"PK")
    said: list[str] = []
    assert trainer.resumable(tmp_path, said.append) is None
    assert said[0] == "checkpoint-20 is damaged (optimizer.pt ends too early) and left out"
    assert said[1].startswith("checkpoint-10 cannot be gone on from (it keeps no optimizer's states")
    assert not (tmp_path / "output").exists()


def test_what_was_not_written_to_its_end(tmp_path: Path, trainer: Trainer) -> None:
    write_checkpoint(tmp_path / "output", 10, projector=True)
    (write_checkpoint(tmp_path / "output", 20, projector=True) / "trainer_state.json").unlink()
    (tmp_path / "output" / "checkpoint-30").mkdir()
    assert trainer.damaged(tmp_path) == dict.fromkeys((20, 30), "it was not written to its end")
    assert trainer.resumable(tmp_path) == "output/checkpoint-10"


def test_one_that_transformers_marks_as_unfinished(tmp_path: Path, trainer: Trainer) -> None:
    write_checkpoint(tmp_path / "output", 10, projector=True)
    (write_checkpoint(tmp_path / "output", 20, projector=True) / "checkpoint-is-incomplete.txt").touch()
    assert trainer.damaged(tmp_path) == {20: "it was not written to its end"}
    assert trainer.resumable(tmp_path) == "output/checkpoint-10"
    assert steps(tmp_path) == [10]


def test_one_between_is_gone_on_from_and_never_chosen(tmp_path: Path, trainer: Trainer) -> None:
    write_checkpoint(tmp_path / "output", 10, projector=True)
    (write_checkpoint(tmp_path / "output", 13, projector=True) / MARK).touch()
    assert [one.step for one in trainer.checkpoints(tmp_path)] == [10]
    assert trainer.resumable(tmp_path) == "output/checkpoint-13"
    (tmp_path / "output" / "checkpoint-13" / "trainer_state.json").unlink()
    assert trainer.damaged(tmp_path) == {}, "selection has no use for it"
    assert trainer.resumable(tmp_path) == "output/checkpoint-10"


def test_a_last_checkpoint_that_is_damaged_is_no_success(tmp_path: Path, trainer: Trainer) -> None:
    for step in (10, 20):
        folder = write_checkpoint(tmp_path / "output", step, last=20, projector=True)
    (tmp_path / "output" / "trainer_state.json").write_bytes((folder / "trainer_state.json").read_bytes())
    before = trainer.train_problems(tmp_path, "", 1)
    (folder / "adapter_model.safetensors").write_bytes(b"")
    (found,) = set(trainer.train_problems(tmp_path, "", 1)) - set(before)
    assert "20" in found


def test_after_a_change_of_the_clock_the_oldest_is_still_the_first_to_go(tmp_path: Path, trainer: Trainer) -> None:
    now = time.time()
    folders = [write_checkpoint(tmp_path / "output", step, projector=True) for step in (5, 10, 15, 100)]
    for folder, at in zip(folders, (now - 500, now + 9000, now + 8000, now - 100), strict=True):
        os.utime(folder, (at, at))
    assert trainer.resumable(tmp_path) == "output/checkpoint-100"
    times = [folder.stat().st_mtime for folder in folders]
    assert times == pytest.approx([now - 500, now - 102, now - 101, now - 100], abs=0.01)
    os.utime(folders[-1], (now + 9000, now + 9000))
    trainer.resumable(tmp_path)
    assert now - 1 <= folders[-1].stat().st_mtime <= time.time()


@pytest.mark.parametrize(
    "odd",
    [
        {"global_step": "20"},
        {"global_step": 20, "log_history": None},
        {"global_step": 20, "log_history": [3]},
        {"global_step": 20, "log_history": [{"loss": 0.5}]},
        {"global_step": 20, "log_history": [{"step": 20, "eval_accuracy": "x", "eval_seq_acc": "x"}]},
        {"global_step": 20, "log_history": [{"step": 20, "loss": None}]},
        {"global_step": 20, "max_steps": None},
    ],
)
def test_a_state_that_says_odd_things_is_damaged(tmp_path: Path, trainer: Trainer, odd: dict[str, object]) -> None:
    row = {"step": 10, "eval_accuracy": 0.5, "eval_seq_acc": 0.5}
    write_checkpoint(tmp_path / "output", 10, row, projector=True, last=20)
    newest = write_checkpoint(tmp_path / "output", 20, row, projector=True)
    for file in (newest / "trainer_state.json", tmp_path / "output" / "trainer_state.json"):
        file.write_text(json.dumps(odd))
    assert trainer.train_problems(tmp_path, "Num examples = 4", 4)
    assert trainer.evaluations(tmp_path) == [(10, 0.5)]
    assert trainer.damaged(tmp_path) == {20: "trainer_state.json is damaged"}
    assert trainer.resumable(tmp_path) == "output/checkpoint-10"


def test_what_only_looks_like_a_checkpoint(tmp_path: Path, trainer: Trainer) -> None:
    write_checkpoint(tmp_path / "output", 10, projector=True)
    elsewhere = write_checkpoint(tmp_path / "elsewhere", 30, projector=True)
    (elsewhere / "config.json").write_text("")
    (tmp_path / "output" / "checkpoint-20").write_text("a file")
    (tmp_path / "output" / "checkpoint-30").symlink_to(elsewhere)
    assert trainer.resumable(tmp_path) == "output/checkpoint-10"
    assert steps(tmp_path) == [10, 20]
    assert elsewhere.is_dir(), "of a link only the link goes"
