"""Files of the run's own that are damaged, emptied, or hold something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.table import EITHER, add
from tests.chaos.world import Lab, understandable
from tests.running import attempt


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


def text(content: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(content)


FORMS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "emptied": text(""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "a list": text("[]"),
    "null": text("null"),
    "a number": text("3"),
    "a text": text('"done"'),
    "an object": text("{}"),
    "a list of null": text("[null]"),
    "not UTF-8": lambda file: file.write_bytes(b"\xff\xfe" + file.read_bytes()),
    "a folder": folder_instead,
}
# file, stage, the state that it is damaged in, stages that are lost, too, so that it is read
FILES = {
    "select's stage.json": ("select/stage.json", "done", ()),
    "train's stage.json": ("train/stage.json", "train", ()),
    "train's stage.json once more": ("train/stage.json", "done", ("select", "infer", "score")),
    "convert's stage.json": ("convert/stage.json", "train", ()),
    "infer's stage.json": ("infer/stage.json", "infer", ()),
    "infer's stage.json when done": ("infer/stage.json", "done", ("score",)),
    "score's stage.json": ("score/stage.json", "done", ()),
    "scores.json": ("score/scores.json", "done", ()),
    "the requests": ("infer/requests.jsonl", "infer", ()),
    "the toolkit's configuration": ("infer/config.json", "infer", ()),
    "the lock": ("convert/../../lock", "infer", ()),
    "pins.json": ("convert/../../pins.json", "infer", ()),
    "the converted training data": ("convert/train.jsonl", "train", ()),
    "the converted dev data": ("convert/dev.jsonl", "train", ()),
}


def damaged(lab: Lab, where: str, state: str, lost: tuple[str, ...], form: str) -> None:
    world = lab.at(state)
    kind, _, name = where.partition("/")
    found = (world.stage(kind) / name).resolve()
    if lab.name != "echo" and name in ("train.jsonl", "dev.jsonl"):
        found = found.with_suffix(".json")
    if not found.exists():
        found.write_text("{}")
    FORMS[form](found)
    for other in lost:
        shutil.rmtree(world.stage(other))
    for command in ("status", "ls runs"):
        code, said = attempt(*command.split(), "--runs-dir", world.folder / "runs")
        assert code == 0 or understandable(said, code) is None, said
    # who is told that it is a folder removes it
    world.settles(lambda: shutil.rmtree(found) if found.is_dir() else None)


for _what, (_where, _state, _lost) in FILES.items():
    for _form in FORMS:
        if "configuration" in _what and _form not in ("missing", "emptied", "a folder"):
            continue  # written again at every start
        _slow = _form not in ("missing", "zeros", "a list")
        add(
            "states",
            f"{_what}: {_form}",
            EITHER,
            damaged,
            _where,
            _state,
            _lost,
            _form,
            real=_form == "zeros",
            slow=_slow,
        )

ODD: dict[str, dict[str, Any]] = {
    "state a number": {"state": 5},
    "attempts null": {"attempts": None},
    "attempts of texts": {"attempts": ["x"]},
    "an attempt without times": {"attempts": [{}]},
    "an attempt at no time": {"attempts": [{"started_at": "soon", "seconds": None}]},
    "outputs a list": {"outputs": []},
    "seconds a text": {"seconds": "long"},
    "inputs null": {"inputs": None},
    "device a list": {"device": []},
    "processes a text": {"processes": "two"},
    "another key": {"key": "0" * 12},
    "outputs of another": {"outputs": {"steps": 1, "rows": {"train": 1}, "requests": 1, "checkpoint": "checkpoint-1"}},
}


def odd(lab: Lab, kind: str, state: str, value: dict[str, Any]) -> None:
    world = lab.at(state)
    file = world.stage(kind) / "stage.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | value))
    for folder in world.stages("score"):
        shutil.rmtree(folder)
    for command in ("status", "ls runs"):
        code, said = attempt(*command.split(), "--runs-dir", world.folder / "runs")
        assert code == 0 or understandable(said, code) is None, said
    world.settles()


for _what, _value in ODD.items():
    for _kind, _state in (
        ("train", "train"),
        ("train", "done"),
        ("convert", "train"),
        ("select", "done"),
        ("infer", "done"),
    ):
        _words = f"{_kind}'s stage.json ({_state}): {_what}"
        add("states", _words, EITHER, odd, _kind, _state, _value, slow=_state == "train")
