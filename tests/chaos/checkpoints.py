"""Checkpoints as a power cut leaves them: files of zero or half length, or missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.chaos.table import CALM, EITHER, TOLD, add
from tests.chaos.world import Lab, World, understandable

REAL = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "config.json")
HARMS: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "missing": Path.unlink,
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
}


def of(world: World) -> list[Path]:
    """The checkpoints by step."""
    found = world.stage("train").glob("output/checkpoint-*")
    return sorted((path for path in found if (path / "trainer_state.json").exists()), key=lambda p: int(p.name[11:]))


def newest(lab: Lab, name: str, harm: str) -> None:
    """A file of the newest checkpoint is harmed; an older one lies beside it."""
    world = lab.at("train")
    old, new = of(world)[-2:]
    HARMS[harm](new / name)
    world.settles()
    resumed = json.loads((world.stage("train") / "stage.json").read_text())["outputs"]["resumed_from"]
    assert str(resumed).endswith(old.name), f"went on from {resumed}, not from {old.name}"


def every(lab: Lab, name: str, harm: str) -> None:
    world = lab.at("train")
    for checkpoint in of(world):
        HARMS[harm](checkpoint / name)
    world.settles()


def chosen(lab: Lab, name: str, harm: str) -> None:
    """The checkpoint that answers are to be had from."""
    world = lab.at("done")
    for kind in ("infer", "score"):
        shutil.rmtree(world.stage(kind))
    selection = json.loads((world.stage("select") / "stage.json").read_text())["outputs"]
    HARMS[harm](world.stage("select") / selection["path"] / name)
    code, said = world.run()
    assert code, f"nothing is said:\n{said}"
    understandable(said, code)
    world.settles()


def chosen_gone(lab: Lab) -> None:
    world = lab.at("done")
    for kind in ("infer", "score"):
        shutil.rmtree(world.stage(kind))
    selection = json.loads((world.stage("select") / "stage.json").read_text())["outputs"]
    shutil.rmtree(world.stage("select") / selection["path"])
    world.settles()


def before_the_first(lab: Lab) -> None:
    world = lab.at("train")
    shutil.rmtree(world.stage("train") / "output")
    world.settles(said="begins again|from the beginning|from its beginning|no checkpoint")


for _name in ("model.bin", "trainer_state.json", *REAL):
    _where = {"real": _name != "model.bin", "echo": _name not in REAL}
    for _harm in HARMS:
        if (_name, _harm) != ("trainer_state.json", "missing"):  # an unfinished one, as every kill may leave it
            add("checkpoints", f"newest, {_harm}: {_name}", CALM, newest, _name, _harm, **_where)
        if _name.startswith("model"):
            add("checkpoints", f"all, {_harm}: {_name}", CALM, every, _name, _harm, **_where)
            add("checkpoints", f"chosen, {_harm}: {_name}", TOLD, chosen, _name, _harm, **_where)
add("checkpoints", "the chosen one is gone", EITHER, chosen_gone, real=True)
add("checkpoints", "stopped before the first one", "says that it begins again", before_the_first)
