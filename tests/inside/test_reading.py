"""What reads clips in a toolkit has its time, and says which clip it failed at."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.places import toolkit_names
from orchestrator.inside import reading, start
from orchestrator.inside.reading import clips_in, in_time, seconds_for
from tests.shared import ROOT

# what reads clips in a toolkit, and the program that uses it, by a name that it imported
LIBRARY = """
import time

def read(path, frames=4):
    if "hangs" in path:
        time.sleep(1000)
    if "bad" in path:
        raise ValueError("it is bad")
    return [path] * frames

class Base:
    def read_all(self, videos, **_):
        return [frame for video in videos for frame in read(video)]

class Plugin(Base):
    def read_all(self, videos, **more):
        return super().read_all(videos, **more) + ["end"]
"""
PROGRAM = """
import sys
from library import Plugin, read

def main():
    try:
        print(read(sys.argv[1]) if len(sys.argv) == 2 else Plugin().read_all(sys.argv[1:]))
    except Exception as error:
        print(type(error).__name__, error)
"""


def run(tmp_path: Path, *clips: str, seconds: float = 120) -> str:
    """What a program says of clips, in a process of its own, which must end by itself."""
    folder = tmp_path / "brand" / "inside"
    folder.mkdir(parents=True)
    for above in (folder, folder.parent):
        (above / "__init__.py").touch()
    (folder / "clips.py").write_text("READERS = {'library': ('read', '*.read_all')}\n")
    (folder / "odd.py").write_text(PROGRAM)
    (tmp_path / "library.py").write_text(LIBRARY)
    argv = [sys.executable, str(start.HERE), str(folder / "odd.py"), *clips]
    env = os.environ | {"PYTHONPATH": str(tmp_path), reading.GIVEN: str(seconds)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_is_read_is_as_it_was(tmp_path: Path) -> None:
    assert run(tmp_path, "a.mp4") == "['a.mp4', 'a.mp4', 'a.mp4', 'a.mp4']\n"


def test_one_that_hangs_is_named(tmp_path: Path) -> None:
    begun = time.monotonic()
    said = run(tmp_path, "hangs.mp4", seconds=0.5)
    assert said.startswith("ClipError hangs.mp4 was not read within 0 seconds")
    assert time.monotonic() - begun < 30


def test_one_that_fails_is_named(tmp_path: Path) -> None:
    assert run(tmp_path, "bad.mp4") == "ClipError it is bad (ValueError while reading bad.mp4)\n"


def test_of_several_the_one_that_fails(tmp_path: Path) -> None:
    assert run(tmp_path, "a.mp4", "bad.mp4", "c.mp4") == "ClipError it is bad (ValueError while reading bad.mp4)\n"


def test_of_several_the_one_that_hangs(tmp_path: Path) -> None:
    assert run(tmp_path, "a.mp4", "hangs.mp4", seconds=0.5).startswith("ClipError hangs.mp4 was not read within")


def test_all_of_several(tmp_path: Path) -> None:
    assert run(tmp_path, "a.mp4", "b.mp4") == f"{['a.mp4'] * 4 + ['b.mp4'] * 4 + ['end']}\n"


def test_what_memory_lacks_is_no_fault_of_a_clip() -> None:
    def read(_: str) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        in_time(read)("a.mp4")


def test_an_error_that_names_its_clip_stays_as_it_is() -> None:
    def read(path: str) -> Any:
        raise FileNotFoundError(f"no video {path}")

    with pytest.raises(FileNotFoundError, match=r"^no video a\.mp4$"):
        in_time(read)("a.mp4")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), (0, [])),
        (("a.mp4", 3), (0, ["a.mp4"])),
        ((object(), Path("a.mp4")), (1, ["a.mp4"])),
        ((object(), ["a.mp4", "b.mp4"]), (1, ["a.mp4", "b.mp4"])),
        (({"video": "a.mp4"}, 28), (0, ["a.mp4"])),
        (({"video": ["1.jpg", "2.jpg"]},), (0, ["1.jpg", "2.jpg"])),
        ((object(), [object()], {}), (0, [])),
    ],
)
def test_which_argument_names_clips(args: tuple[Any, ...], expected: tuple[int, list[str]]) -> None:
    assert clips_in(args) == expected


def test_the_time_that_a_clip_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tmp_path / "a.mp4"
    assert seconds_for(str(clip)) == 120
    clip.write_bytes(bytes(2_000_000))
    assert seconds_for(str(clip)) == 140
    monkeypatch.setenv(reading.GIVEN, "7")
    assert seconds_for(str(clip)) == 7


@pytest.mark.parametrize("name", toolkit_names())
def test_every_toolkit_that_shows_videos_says_what_reads_them(name: str) -> None:
    inside = ROOT / "orchestrator" / "toolkits" / name / "inside"
    if inside.is_dir():
        assert (inside / "clips.py").is_file()
