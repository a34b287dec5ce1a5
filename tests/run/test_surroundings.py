"""Runs on machines that are not as they should be: what killed ones left, no locks, no room for results, no reader."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.run import report
from tests.run.place import Place
from tests.running import answers, arguments, call, environment
from tests.shared import ROOT


def kill_all_but_the_toolkit(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 of a run and of its watchdog."""
    (watchdog,) = (child for child in psutil.Process(process.pid).children() if "processes.py" in str(child.cmdline()))
    watchdog.kill()
    process.kill()
    process.wait(30)


def test_status_ends_what_a_killed_run_and_watchdog_left(place: Place) -> None:
    process = place.start_until("train", do="hang:train=5")
    with contextlib.suppress(AssertionError):
        said = call("status", "--json", "--runs-dir", place.folder / "runs")
    assert "ended" not in said, "a run that runs is left alone"
    (toolkit,) = place.running()
    kill_all_but_the_toolkit(process)
    assert place.running() == [toolkit]
    said = call("status", "--runs-dir", place.folder / "runs")
    assert f"echoed: ended what a killed run left: process {toolkit.pid} (" in said
    assert "echoed: not running" in said
    assert not place.running()
    assert "ended" not in call("status", "--runs-dir", place.folder / "runs")


def test_the_next_run_ends_what_is_left_whatever_it_does_itself(place: Place) -> None:
    process = place.start_until("train", do="hang:train=5")
    (toolkit,) = place.running()
    kill_all_but_the_toolkit(process)
    said = place.run("--set", "train.epochs=2")  # another stage, in another folder
    assert f"ended what a killed run left running: process {toolkit.pid} (" in said
    assert not place.running()
    assert place.stage("score")["state"] == "done"


def test_without_file_locks_it_is_known_who_works_where(
    place: Place, calm: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = place.start_until("train", do="hang:train=5")
    (toolkit,) = place.running()

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert "ended" not in call("status", "--runs-dir", place.folder / "runs")
    assert f"process {process.pid} on host" in place.run(code=2)
    other = Place(place.folder / "other", place.data)
    assert "no locks" not in other.run()
    assert answers(other.folder) == answers(calm.folder, "demo")
    assert toolkit.is_running()
    process.terminate()
    assert process.wait(30) == 130
    assert "goes on from checkpoint-3" in place.run()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(1 << 12)):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_results_folder_that_takes_nothing_is_told_before_all_work(place: Place, disk: Path, how: str) -> None:
    if how == "full":
        fill(disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = place.run("--results-dir", disk, code=2)
    reason = "No space left on device" if how == "full" else "Read-only file system"
    assert said == f"error: {disk}: results cannot be written: {reason}\n    give another --results-dir\n"
    assert place.folders() == set()


def test_a_folder_in_the_place_of_the_table_is_told_before_all_work(place: Place) -> None:
    place.results.mkdir()
    assert f"{place.results}: is no file\n    give another --results-dir" in place.run(code=2)
    assert place.folders() == set()


def test_results_that_cannot_be_written_in_the_end_are_kept(
    place: Place, calm: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(report, "write_results", full)
        said = place.run(code=1)
    assert "demo/score: done" in said
    assert f"error: {place.folder}: the results cannot be written: No space left on device\n" in said
    assert f"all scores are kept in {place.folder / 'runs'}: " in said
    assert "everything is done already" in place.run()
    assert place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]


@pytest.mark.parametrize("streams", ["2>&1 | head -1", ">/dev/full", "2>&1 | true", ">&- 2>&-"])
def test_a_run_goes_on_when_nobody_reads_what_it_says(place: Place, calm: Place, streams: str) -> None:
    words = " ".join(arguments(place.recipe, place.folder))
    command = f"{sys.executable} -m tests.echo {words} {streams}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment(), capture_output=True, text=True)
    # a full disk behind standard output is told in the end
    assert done.returncode == ("full" in streams), done.stderr
    assert "Traceback" not in done.stderr
    assert place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
