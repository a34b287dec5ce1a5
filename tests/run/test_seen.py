"""What a user sees while a run goes on: a moving line on a terminal, plain lines anywhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from orchestrator.cli import plain as plain_view
from tests.run.place import Place
from tests.running import ROOT, arguments, environment

RED, GREEN = "\x1b[31m", "\x1b[32m"


def on_a_terminal(place: Place, *more: object, columns: int = 80, do: str = "") -> tuple[int, str]:
    """Exit status of a run on a pseudo-terminal, and all that came to its screen."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # what would tell rich another width, or that there are no colours
    env = {name: value for name, value in environment(do).items() if name not in ("NO_COLOR", "COLUMNS", "LINES", "CI")}
    argv = [sys.executable, "-m", "tests.echo", *arguments(place.recipe, place.folder, *more)]
    with subprocess.Popen(
        argv, cwd=ROOT, env=env | {"TERM": "xterm-256color"}, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        parts = []
        while True:
            try:
                part = os.read(controller, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(controller)
    return process.returncode, b"".join(parts).decode()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_terminal_shows_lines_that_move_and_colours(place: Place, data: Path) -> None:
    place = Place(place.folder, data, tasks="demo, MELD")
    code, screen = on_a_terminal(place, do="slow:train@demo=0.25,fail:train@MELD")
    assert code == 1
    text = plain(screen)
    assert re.search(r"demo/train  step \d+/10  loss 0\.\d+ +[\d.]+ s", text)
    assert re.search(r"step \d+/10  loss [\d.]+ +[\d.]+ s  [\d.]+ steps/s  \d+ s left", text)
    assert re.search(r"echoed: 2 of 12 stages done, 1 wait, [\d.]+ s so far", text)
    assert "\x1b[2K" in screen, "the lines move: they are written over"
    assert re.search(re.escape(GREEN) + r"\[ 3/12\] echoed demo/train: done in [\d.]+ s, 10 steps", screen)
    assert re.search(re.escape(RED) + r"\[ 9/12\] echoed MELD/train: FAILED: ended with exit status 1", screen)
    assert "fails at 1 as asked" in text
    assert f"results: {place.results}" in text


@pytest.mark.parametrize("columns", [160, 80])
def test_the_results_are_shown_with_all_their_digits(calm: Place, columns: int) -> None:
    code, screen = on_a_terminal(calm, columns=columns)
    assert code == 0
    assert screen.startswith("everything is done already")
    lines = plain(screen).splitlines()
    rows = [row for line in lines if (row := re.findall(r"[\w.-]+", line))[:1] == ["demo"]]
    assert len(rows) == (1 if columns == 160 else 2)
    expected = calm.rows()["demo"]
    assert rows[0][:3] == ["demo", "16", f"{expected['acc']:.2f}"]
    assert rows[-1][-1] == "0.00"
    assert f"results: {calm.results}" in lines


def test_without_a_terminal_lines_are_plain_and_few(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    said = place.run()
    assert "\x1b" not in said
    assert [line.split(":")[0] for line in said.splitlines()[:6]] == [
        f"[{number}/6] echoed demo/{kind}"
        for number, kind in enumerate(("init", "convert", "train", "select", "infer", "score"), 1)
    ]
    assert "step " not in said, "no progress within the first half minute"


def test_without_a_terminal_a_long_stage_says_how_far_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_view, "PLAIN_SECONDS", 0.1)
    said = place.run(do="slow:train=0.25,slow:infer=0.1")
    assert re.search(r"echoed demo/train: step \d+/10, loss [\d.]+, [\d.]+ steps/s", said)
    assert re.search(r"echoed demo/infer: sample \d+/16", said)
