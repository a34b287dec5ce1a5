"""kill -9 of the orchestrator, of the toolkit's process and of all of its processes, in training and in inference.

After every kill the same command goes on; the predictions must equal those of a run that nobody disturbed. ``KILLS``
sets how many moments are tried (default 3, so that CI stays short):
``KILLS=10 python -m pytest tests/toolkits/test_kill.py``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from itertools import cycle
from pathlib import Path

import psutil
import pytest

from orchestrator.data.demo import write_demo_data
from orchestrator.machine.processes import STAGE_MARK, marked
from tests.running import answers, start
from tests.shared import ROOT

pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("llamafactory_env")]
KILLS = int(os.environ.get("KILLS", "3"))
VICTIMS = ("orchestrator", "toolkit", "group")


def stage_folders(folder: Path, kind: str) -> list[Path]:
    return list((folder / "runs").glob(f"*/*/{kind}-*"))


def seconds_of(folder: Path, kind: str) -> float:
    (stage,) = stage_folders(folder, kind)
    return float(json.loads((stage / "stage.json").read_text())["seconds"])


def processes_of(folder: Path, kind: str) -> list[psutil.Process]:
    return [process for stage in stage_folders(folder, kind) for process in marked(STAGE_MARK, str(stage.resolve()))]


def strike(victim: str, orchestrator: subprocess.Popen[bytes], folder: Path, kind: str) -> bool:
    """Kill the victim without warning; returns whether there was one."""
    found = processes_of(folder, kind)
    if orchestrator.poll() is not None or not found:
        return False
    if victim == "orchestrator":
        orchestrator.kill()
    elif victim == "toolkit":
        min(found, key=lambda process: process.create_time()).kill()
    else:
        for group in {os.getpgid(process.pid) for process in found}:
            os.killpg(group, signal.SIGKILL)
    return True


@pytest.mark.long
def test_random_moments(tmp_path: Path) -> None:
    write_demo_data(tmp_path / "data", sizes=(320, 16, 240))
    recipe = tmp_path / "killed.yaml"
    recipe.write_text(
        f"extends: {ROOT}/recipes/_base/tiny_qwen2.yaml\nmethod: sft\ntasks: [demo]\ndata: {{root: {tmp_path}/data}}\n"
        "train: {epochs: 3, save_steps: 10, learning_rate: 1e-3}\ninference: {batch_size: 4}\n"
    )
    calm = tmp_path / "calm"
    calm.mkdir()
    assert start(recipe, calm).wait() == 0, (calm / "said.txt").read_text()
    expected = answers(calm)
    durations = {kind: seconds_of(calm, kind) for kind in ("train", "infer")}
    assert len(expected) == 240
    chance = random.Random(os.environ.get("KILL_SEED"))
    # a training that is through is not done again, so one run is first killed in training, then in inference
    moments = [*(("train", victim) for victim in VICTIMS), *(("infer", victim) for victim in reversed(VICTIMS))]
    planned = cycle(moments)
    done: list[str] = []
    resumed = set()
    attempt = 0
    while len(done) < KILLS:
        attempt += 1
        folder = tmp_path / f"killed{attempt}"
        folder.mkdir()
        while True:
            orchestrator = start(recipe, folder)
            if len(done) >= KILLS:
                break
            kind, victim = next(planned)
            while orchestrator.poll() is None and not processes_of(folder, kind):
                time.sleep(0.1)
            delay = chance.uniform(0, durations[kind])
            end = time.monotonic() + delay
            while processes_of(folder, kind) and time.monotonic() < end:
                time.sleep(0.1)
            if not strike(victim, orchestrator, folder, kind):
                break  # it was through before its turn came
            done.append(f"{victim} in {kind} after {delay:.1f} s")
            code = orchestrator.wait()
            assert code != 0
            deadline = time.monotonic() + 20
            while processes_of(folder, kind):
                assert time.monotonic() < deadline, "something is left running"
                time.sleep(0.05)
        code = orchestrator.wait()
        assert code == 0, (folder / "said.txt").read_text()
        assert answers(folder) == expected
        (trained,) = stage_folders(folder, "train")
        resumed.add(json.loads((trained / "stage.json").read_text())["outputs"]["resumed_from"])
    print("\n".join(done), resumed)
    if KILLS >= 10:  # with few moments it may be that none came after a checkpoint
        assert resumed - {None}, "no training went on from a checkpoint"
