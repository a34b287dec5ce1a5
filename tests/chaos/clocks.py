"""Clocks that jump, and trainings that were done again: no answer of another training may be used."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from tests.chaos.table import CALM, add
from tests.chaos.world import Lab

YEARS = {"the past": "2001", "the future": "2041"}
SECONDS = {"the past": 1e9, "the future": 2.3e9}


def date(folder: Path, when: str) -> None:
    """All that a folder says of times, in its JSON and in its files' own."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.name == "stage.json":
            path.write_text(re.sub(r'"20\d\d-', f'"{YEARS[when]}-', path.read_text()))
        os.utime(path, (SECONDS[when], SECONDS[when]))


def stale(journal: Path) -> None:
    """Answers that another training gave: others than this one's."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(line | {"text": "apology, said another"}) + "\n" for line in lines))


def dated(lab: Lab, state: str, kind: str, when: str) -> None:
    world = lab.at(state)
    date(world.stage(kind), when)
    world.settles()


def retrained(lab: Lab, state: str, when: str, lost: tuple[str, ...]) -> None:
    world = lab.at(state)
    for kind in ("infer", "select"):
        for folder in world.stages(kind):
            for journal in folder.rglob("predictions.jsonl"):
                stale(journal)
            date(folder, when)
    for kind in lost:
        for folder in world.stages(kind):
            shutil.rmtree(folder)
    world.settles()


def stopped_again(lab: Lab, when: str) -> None:
    """The training is done again by a run that is stopped in it."""
    world = lab.at("infer")
    stale(world.stage("infer") / "predictions.jsonl")
    date(world.stage("infer"), when)
    shutil.rmtree(world.stage("train"))
    world.stop("train")
    world.settles()


def unfinished_training_replaced(lab: Lab) -> None:
    """Answers stay, the training's ``stage.json`` is lost: nobody knows whose answers these are."""
    world = lab.at("infer")
    stale(world.stage("infer") / "predictions.jsonl")
    (world.stage("train") / "stage.json").unlink()
    shutil.rmtree(world.stage("train") / "output")
    world.settles()


for _when in YEARS:
    _where = {"real": _when == "the future", "slow": _when == "the past"}
    for _state, _kind in (("train", "train"), ("infer", "train"), ("infer", "infer"), ("train", "convert")):
        add("clocks", f"stopped in {_state}: {_kind} dated in {_when}", CALM, dated, _state, _kind, _when, **_where)
    _ways = {"trained": ("train", "score"), "trained and selected": ("train", "select", "score")}
    for _what, _lost in (_ways | {"made and trained": ("init", "train")}).items():
        for _state in ("infer", "done"):
            _words = f"answers of {_when} ({_state}), {_what} again"
            add("clocks", _words, CALM, retrained, _state, _when, _lost, **_where)
    add("clocks", f"answers of {_when}, trained again by a stopped run", CALM, stopped_again, _when, **_where)
add("clocks", "answers beside a training that nothing is known of", CALM, unfinished_training_replaced, real=True)
