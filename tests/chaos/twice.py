"""Two at once: in one folder, over one results folder, over one download."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.chaos.table import add
from tests.chaos.world import Lab, understandable
from tests.running import environment, wait_until
from tests.shared import ROOT


def same_folder(lab: Lab) -> None:
    world = lab.at("new")
    with world.held("train") as process:
        code, said = world.run()
        understandable(said, code)
        assert str(process.pid) in said, said
    assert world.code == 0, world.said
    world.settles()


def started_together(lab: Lab) -> None:
    """Of four, one does the work."""
    world = lab.at("new")
    argv = [sys.executable, "-m", world.kind.program, *world.argv()]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    runs = [subprocess.Popen(argv, cwd=ROOT, env=environment(), **pipes) for _ in range(4)]  # type: ignore[call-overload]
    for run in runs:
        said, _ = run.communicate(timeout=300)
        assert run.returncode == 0 or understandable(said, run.returncode) is None
    world.settles()


def other_settings(lab: Lab) -> None:
    """Runs of two settings over one results folder, one after the other: a file for each, however often."""
    world = lab.at("done")
    other = ["--set", "inference.max_new_tokens=16"]
    for more in (other, [], other, [], other, [], other, []):
        code, said = world.run(*more)
        assert code == 0, said
    found = sorted(path.name for path in world.results.parent.glob("*.csv"))
    assert len(found) <= 2, f"results of two settings are now in {len(found)} files: {found}"
    world.same()


def ending_together(lab: Lab) -> None:
    """Runs of three settings that end at the same time over one results folder: all of their rows are there."""
    world = lab.at("done")
    settings = [["--set", f"inference.max_new_tokens={number}"] for number in (16, 17, 18)]
    for number, more in enumerate(settings):
        code, said = world.run(*more, "--runs-dir", world.folder / f"runs{number}")
        assert code == 0, said
    for _ in range(2):
        for path in world.results.parent.iterdir():
            path.unlink()
        argv = [sys.executable, "-m", world.kind.program, *world.argv()]
        runs = [
            subprocess.Popen([*argv, *more, "--runs-dir", str(world.folder / f"runs{number}")], cwd=ROOT,
                             env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for number, more in enumerate(settings)
        ]  # fmt: skip
        assert [run.wait(100) for run in runs] == [0, 0, 0]
        text = "".join(path.read_text() for path in world.results.parent.glob("*.csv"))
        there = [number for number in (16, 17, 18) if f"max={number}" in text]
        assert there == [16, 17, 18], f"only the results of {there} are left"


def downloads(lab: Lab) -> None:
    """Two downloads into one folder: both end well, or one says that the other is at work; the files are whole."""
    from tests.data.test_download import Hub

    out = lab.base / "downloaded"
    hub = Hub()
    threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
    name = "AnnoMi-client/AnnoMI-client_video.tar.gz"
    env = os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}/", "HF_HUB_DISABLE_TELEMETRY": "1"}
    argv = [sys.executable, "-m", "orchestrator", "data", "download", "--dataset", "AnnoMi-client", "--out", str(out)]
    try:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        both = [subprocess.Popen(argv, cwd=ROOT, env=env, **pipes) for _ in range(2)]  # type: ignore[call-overload]
        for one in both:
            said, _ = one.communicate(timeout=100)
            assert one.returncode == 0 or understandable(said, one.returncode) is None, said
        subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True)
        assert (out / name).read_bytes() == hub.files[name]
        assert not list(out.glob(".partial/*"))
    finally:
        hub.shutdown()
        hub.server_close()


def status_meanwhile(lab: Lab) -> None:
    """Whoever looks on at any moment disturbs nothing and sees no traceback."""
    world = lab.at("new")
    with world.running("init") as process:
        while process.poll() is None:
            code, said = world.shell(f'"$1" "$2" "$3" "$4" status --json --runs-dir {world.folder}/runs 2>/dev/null')
            assert code == 0, said
            json.loads(said)
    world.settles()


def moved_while_stopped(lab: Lab) -> None:
    """The runs folder is moved, and a link stands in its place."""
    world = lab.at("infer")
    elsewhere = Path(f"{world.folder}/other place")
    (world.folder / "runs").rename(elsewhere)
    (world.folder / "runs").symlink_to(elsewhere)
    world.settles()
    wait_until(lambda: not world.processes(), 10)


add(
    "twice",
    "a second run in the folder of a running one",
    "the second says so, the first goes on",
    same_folder,
    real=True,
)
add("twice", "four runs started at once", "one does the work, the others say so", started_together, real=True)
add("twice", "two settings in turn, one results folder", "one file for each", other_settings)
add("twice", "three settings end together, one results folder", "the rows of all", ending_together)
add("twice", "two downloads into one folder", "whole files", downloads)
add("twice", "status again and again while it runs", "no traceback, nothing disturbed", status_meanwhile)
add("twice", "the runs folder moved and linked", "goes on", moved_while_stopped)
