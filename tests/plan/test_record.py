"""What a stage's folder says of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import StageError
from orchestrator.machine.files import digest, read_json, write_json
from orchestrator.plan.outputs import Kind, SelectOutputs
from orchestrator.plan.record import Attempt, damaged, is_done, outputs_in, read, reopen
from tests.stages import DONE, finish_in


def test_damaged_state_is_not_done(tmp_path: Path) -> None:
    assert not is_done(tmp_path, read(tmp_path))
    (tmp_path / "stage.json").write_text('{"state": "do')
    assert read_json(tmp_path / "stage.json") is None
    assert not is_done(tmp_path, read(tmp_path))
    finish_in(tmp_path, "train", state="running")
    assert not is_done(tmp_path, read(tmp_path))
    finish_in(tmp_path, "train")
    assert is_done(tmp_path, read(tmp_path))


ODD: dict[str, Any] = {
    "state": ["finished", 5, None],
    "stage": ["training", 3, None],
    "attempts": [None, ["x"], [{}], [{"started_at": "soon"}]],
    "inputs": [None, []],
    "processes": ["two", None],
    "seconds": ["long"],
    "device": [[]],
    "files": [{"a": {}}, []],
    "id": [3],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ODD.items() for value in values])
def test_what_no_stage_writes_is_as_if_it_had_not_begun(tmp_path: Path, name: str, value: object) -> None:
    finish_in(tmp_path, "convert")
    said = read_json(tmp_path / "stage.json")
    write_json(tmp_path / "stage.json", said | {name: value})
    assert read(tmp_path) is None


@pytest.mark.parametrize("kind", DONE)
def test_a_record_reads_back_and_says_nothing_that_was_not_said(tmp_path: Path, kind: Kind) -> None:
    more = {"argv": ["a\udcff"], "env": {"A": "\ud800"}, "inputs": {"none": None, "text": "\ud800", "list": [1, None]}}
    record = finish_in(tmp_path, kind, attempts=[Attempt(started_at="2026-01-01T00:00:00", seconds=None)], **more)
    assert read(tmp_path) == record
    said = read_json(tmp_path / "stage.json")
    sealed = {"outputs_sha256"} if kind in ("convert", "select", "infer") else set()
    assert set(said) == {"state", "stage", "attempts", "outputs", "files", *more} | sealed
    assert said["inputs"] == more["inputs"]
    assert list(said)[:2] == ["state", "stage"]
    reopen(tmp_path)
    assert read_json(tmp_path / "stage.json") == said | {"state": "reopened"}


@pytest.mark.parametrize(
    ("kind", "edited"),
    [("convert", {"rows": {"train": 2, "dev": 1}}), ("infer", {"requests": 2}), ("select", {"step": 3})],
)
def test_outputs_that_others_read_are_sealed(tmp_path: Path, kind: Kind, edited: dict[str, Any]) -> None:
    finish_in(tmp_path, kind)
    said = read_json(tmp_path / "stage.json")
    write_json(tmp_path / "stage.json", said | {"outputs": said["outputs"] | edited})
    record = read(tmp_path)
    assert not is_done(tmp_path, record)
    assert damaged(tmp_path, record) == ["stage.json"]
    with pytest.raises(StageError, match="does not say what came of the stage"):
        outputs_in(tmp_path, type(DONE[kind]))
    # those of an earlier version have no seal
    write_json(tmp_path / "stage.json", {name: value for name, value in said.items() if name != "outputs_sha256"})
    assert is_done(tmp_path, read(tmp_path))


@pytest.mark.parametrize("kind", DONE)
@pytest.mark.parametrize("outputs", [[], {}, None, 3, {"checkpoint": 3}])
def test_done_without_the_outputs_of_its_kind_is_not_done(tmp_path: Path, kind: Kind, outputs: object) -> None:
    finish_in(tmp_path, kind)
    said = read_json(tmp_path / "stage.json")
    del said["files"]
    write_json(tmp_path / "stage.json", {**said, "outputs": outputs, "outputs_sha256": None})
    record = read(tmp_path)
    assert record is not None
    assert record.outputs is None
    assert not is_done(tmp_path, record)


@pytest.mark.parametrize("kind", DONE)
def test_what_a_later_version_says_besides_stays(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "train.json").write_text("[]")
    finish_in(tmp_path, kind, attempts=[Attempt(started_at="2026-01-01T00:00:00")])
    said = read_json(tmp_path / "stage.json")
    said["outputs"]["more"] = said["attempts"][0]["more"] = said["more"] = {"a": [1]}
    for seal in said["files"].values():
        seal["more"] = 1
    if "outputs_sha256" in said:
        said["outputs_sha256"] = digest(said["outputs"])
    write_json(tmp_path / "stage.json", said)
    assert is_done(tmp_path, read(tmp_path))
    reopen(tmp_path)
    assert read_json(tmp_path / "stage.json") == said | {"state": "reopened"}


def test_a_selection_reads_its_steps_as_numbers(tmp_path: Path) -> None:
    outputs = SelectOutputs(
        strategy="best_eval", checkpoint="checkpoint-9", step=9, accuracy_percent={10: 2.0, 9: 2.5}, path="x"
    )
    finish_in(tmp_path, "select", outputs=outputs)
    assert outputs_in(tmp_path, SelectOutputs).accuracy_percent == {10: 2.0, 9: 2.5}


# as version 0.1 wrote them
OLD = {
    "convert": {"rows": {"train": 40, "dev": 8}, "videos": None, "bad_videos": {"train": {"demo": 0}}, "leaks": 0},
    "train": {"steps": 10, "resumed_from": None},
    "select": {"strategy": "last", "checkpoint": "checkpoint-10", "step": 10, "measure": "", "accuracy_percent": {},
               "path": "../train-7f501b636c7e/output/checkpoint-10"},
    "infer": {"requests": 16, "errors": 0, "processes": 1, "bad_videos": {"demo": 0}, "prompts": {"demo": "a@1"},
              "checkpoint": "checkpoint-10"},
}  # fmt: skip


@pytest.mark.parametrize("kind", OLD)
def test_a_file_of_an_earlier_version(tmp_path: Path, kind: str) -> None:
    content = b'{"checkpoint": "checkpoint-10"}'
    seal = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "selection.json").write_bytes(content)
    said = {
        "state": "done", "stage": kind, "job": "demo", "key": "8b5f9dcc2052", "argv": [], "env": {}, "inputs": {},
        "made_from": {}, "device": "cpu", "processes": 1, "toolkit": "echo", "model": {"path": None, "revision": None},
        "host": "vm", "git_commit": "2912", "toolkit_lock": "echo", "outputs": OLD[kind], "seconds": 0.004,
        "attempts": [{"started_at": "2026-11-26T00:15:44.523+00:00", "seconds": 0.004}],
        "files": {"selection.json": seal} if kind == "select" else {}, "id": "626d1a957dce",
        "ended_at": "2026-11-26T00:15:44.527+00:00",
    }  # fmt: skip
    write_json(tmp_path / "stage.json", said)
    record = read(tmp_path)
    assert record is not None
    assert is_done(tmp_path, record)
    assert record.mark == ("checkpoint-10" if kind == "select" else "626d1a957dce")
    assert json.loads(json.dumps(record.model_dump(exclude_unset=True))) == said
    (tmp_path / "selection.json").write_bytes(content.replace(b"10", b"11"))
    assert is_done(tmp_path, read(tmp_path)) == (kind != "select")
