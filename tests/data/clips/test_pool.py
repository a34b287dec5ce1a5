"""Clips are decoded in processes: what hangs or ends one is told of that clip, and the others are done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.data import videos
from orchestrator.data.clips import pool
from orchestrator.data.clips.pool import in_parallel
from orchestrator.data.videos import check_videos
from orchestrator.machine.checkout import ROOT
from tests.clips import write_coded

pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")


def ask(*questions: dict[str, Any], workers: int = 2) -> list[dict[str, Any]]:
    """The answers, in the order of the questions."""
    found: dict[str, dict[str, Any]] = {}
    in_parallel(list(questions), workers, lambda one, answer: found.update({one["clip"]: answer}))
    return [found[one["clip"]] for one in questions]


def test_one_that_hangs_has_its_time_and_the_others_are_done(tmp_path: Path) -> None:
    hangs, sound = tmp_path / "hangs.mp4", write_coded(tmp_path / "sound.mp4")
    os.mkfifo(hangs)  # whoever opens it waits for ever
    begun = time.monotonic()
    late, found = ask({"clip": str(hangs), "seconds": 1}, {"clip": str(sound), "seconds": 60}, workers=1)
    assert (late, found) == ({"late": 1.0}, {"damage": "", "reasons": []})
    assert time.monotonic() - begun < 30
    assert "within 1 seconds" in videos.unfinished(late)


def test_modules_of_the_working_directory_are_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    clip = str(write_coded(tmp_path / "sound.mp4", 5))
    monkeypatch.chdir(tmp_path)
    assert ask({"clip": clip, "seconds": 60}) == [{"damage": "", "reasons": []}]


def test_one_that_ends_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [str(write_coded(tmp_path / f"{number}.mp4", 5)) for number in range(3)]
    really = pool._Process.ask

    def killed(self: Any, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["clip"] == clips[1]:
            self._process.send_signal(signal.SIGSEGV)
        return really(self, asked)

    monkeypatch.setattr(pool._Process, "ask", killed)
    for _ in range(2):  # it is not remembered: another time it may be decoded
        (finding,) = check_videos(clips, tmp_path / "videos.json", workers=1)
        assert (finding.problem.where, finding.repairable) == (clips[1], False)
        assert "SIGSEGV" in finding.problem.message
    monkeypatch.undo()
    assert check_videos(clips, tmp_path / "videos.json") == []


def test_an_interrupt_waits_for_no_clip(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    os.mkfifo(tmp_path / "b.mp4")
    write_coded(tmp_path / "c.mp4", 5)
    asked = [{"clip": str(tmp_path / f"{name}.mp4"), "seconds": 50} for name in "abc"]
    begun = time.monotonic()

    def stop(one: dict[str, Any], _: dict[str, Any]) -> None:
        assert one == asked[2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_parallel(asked, 3, stop)
    assert time.monotonic() - begun < 30
    assert not [child for child in psutil.Process().children() if "worker" in " ".join(child.cmdline())]


def test_nothing_outlives_a_command_that_was_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    program = (
        "import sys; from orchestrator.data.clips.pool import in_parallel; print('begun', flush=True);"
        "in_parallel([{'clip': sys.argv[1], 'seconds': 3}], 1, print)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        children: list[psutil.Process] = []
        while not children:
            children = psutil.Process(process.pid).children()
            time.sleep(0.02)
        process.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
