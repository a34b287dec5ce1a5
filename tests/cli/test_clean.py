"""`clean` as a user sees it: what it lists, what it asks on a terminal, and what it does elsewhere."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import echo
from tests.run.place import Place, write_data
from tests.running import call, environment, listening
from tests.shared import ROOT

CTRL_C = "\x03"


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A run that was done with few rows first, then with all; nobody changes it."""
    echo.register()
    data = tmp_path_factory.mktemp("data")
    write_data(data)
    place = Place(tmp_path_factory.mktemp("tried"), data)
    place.run("--limit", "6")
    place.run()
    yield place
    echo.unregister()


@pytest.fixture
def place(tried: Place, tmp_path: Path) -> Place:
    shutil.copytree(tried.folder / "runs", tmp_path / "place" / "runs")
    return Place(tmp_path / "place", tried.data)


def trainings(place: Place) -> int:
    return len(list((place.folder / "runs").glob("*/*/train-*")))


def on_a_terminal(place: Place, answers: Sequence[str], *words: str) -> str:
    """What `clean` shows on a terminal of 80 columns to a user who answers so to what it asks."""
    ours, its = pty.openpty()
    argv = [sys.executable, "-m", "tests.echo", "clean", "--runs-dir", str(place.folder / "runs"), *words]
    process = subprocess.Popen(
        argv, cwd=ROOT, env=environment(), stdin=its, stdout=its, stderr=its, preexec_fn=listening()
    )  # fmt: skip
    os.close(its)
    shown, waiting = "", list(answers)
    while True:
        try:
            shown += os.read(ours, 1 << 16).decode()
        except OSError:  # it has ended
            break
        if waiting and shown.endswith("[y/N] "):
            said = waiting.pop(0)
            if said == CTRL_C:
                process.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # it has ended
                os.write(ours, b"\n" if said == CTRL_C else said.encode())  # a signal between two reads wakes no read
    os.close(ours)
    assert process.wait(60) == (130 if CTRL_C in answers else 0)
    assert not waiting, shown
    return shown.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("answers", "left", "end"),
    [
        (("\n", "n\n"), 2, "nothing was removed\n"),
        (("y\n", "\n"), 1, " 5 items: 0.00 GB are free again\n"),
        (("n\n", "yes\n"), 1, " 1 item: 0.00 GB are free again\n"),
        (("Y\n", "Yes\n"), 0, " 6 items: 0.00 GB are free again\n"),
        (("y\n", "\x04"), 1, " 5 items: 0.00 GB are free again\n"),
    ],
)
def test_a_terminal_is_asked_for_each_kind(place: Place, answers: tuple[str, ...], left: int, end: str) -> None:
    shown = on_a_terminal(place, answers)
    assert shown.endswith(end)
    assert "Remove 5 items, 0.00 GB? [y/N] " in shown
    assert shown.index("could be asked nothing more") < shown.index("Remove 1 item, 0.00 GB? [y/N] ")
    assert trainings(place) == left


def test_ctrl_c_at_the_question_removes_nothing(place: Place) -> None:
    assert on_a_terminal(place, (CTRL_C,)).count("[y/N]") == 1
    assert trainings(place) == 2


def test_elsewhere_it_lists_and_says_how(place: Place) -> None:
    shown = call("clean", "--runs-dir", place.folder / "runs")
    assert trainings(place) == 2
    assert "Remove" not in shown
    assert shown.endswith(
        "nothing was removed\n"
        "nobody can be asked here: --yes removes what no recipe leads to\n"
        "--yes --checkpoints also removes the trainings whose scores are done\n"
    )
    shown = call("clean", "--yes", "--runs-dir", place.folder / "runs")
    assert trainings(place) == 1
    assert shown.endswith(
        "removed 5 items: 0.00 GB are free again\n"
        "--yes --checkpoints also removes the trainings whose scores are done\n"
    )
    shown = call("clean", "--yes", "--checkpoints", "--runs-dir", place.folder / "runs")
    assert trainings(place) == 0
    assert shown.endswith("removed 1 item: 0.00 GB are free again\n")
    assert call("clean", "--runs-dir", place.folder / "runs") == f"nothing to remove in {place.folder / 'runs'}\n"


def test_what_is_listed_is_sorted_and_fits_a_terminal(place: Place) -> None:
    convert = sorted((place.folder / "runs").glob("echoed/demo/convert-*"), key=lambda path: path.stat().st_mtime)[0]
    (convert / "large").write_bytes(bytes(20_000_000))
    shown = call("clean", "--runs-dir", place.folder / "runs")
    lines = shown.splitlines()
    assert lines[:3] == [
        "What no recipe at hand leads to, and what stopped runs left behind:",
        "           data.limit 6 -> (none):",
        f"  0.02 GB  echoed/demo/{convert.name}",
    ]
    assert lines[3].startswith("  0.00 GB  4 small ones (--json tells why): echoed/demo/")
    assert shown.count("echoed/demo/") == 6, "and one whose scores are done"
    assert "  0.02 GB  in all, 5 items in " in shown
    assert [line for line in lines if len(line) > 80 and str(place.folder) not in line] == []
