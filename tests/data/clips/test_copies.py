"""A repaired copy is taken in its clip's place for as long as it is of the clip as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.data.clips.copies import Copies, copy_of, name_of, original_of
from orchestrator.data.samples import read_split
from tests.tables import table


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "video" / "a.avi"
    path.parent.mkdir()
    path.write_bytes(b"12345")
    os.utime(path, (1000, 1000))
    return path


def write_copy(clip: Path) -> Path:
    copy = copy_of(str(clip))
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(b"copy")
    os.utime(copy, (2000, 2000))
    return copy


def test_where_it_lies(clip: Path) -> None:
    assert copy_of(str(clip)) == clip.parent / ".repaired" / "a.avi.5.mp4"
    with pytest.raises(FileNotFoundError):
        copy_of(str(clip.with_name("gone.avi")))


def test_whose_it_is(clip: Path) -> None:
    copy = str(write_copy(clip))
    assert (name_of(copy), original_of(copy)) == ("a.avi", str(clip))
    assert original_of(str(clip)) == str(clip)
    assert name_of(str(clip)) == name_of("a.avi") == "a.avi"
    assert name_of("/x/a.avi.5.mp4") == "a.avi.5.mp4"


def test_it_is_taken(clip: Path) -> None:
    assert Copies().shown(str(clip)) == str(clip)
    copy = write_copy(clip)
    assert Copies().shown(str(clip)) == str(copy)
    assert Copies().shown(str(clip.with_name("other.avi"))) == str(clip.with_name("other.avi"))


@pytest.mark.parametrize("change", ["another size", "newer", "gone"])
def test_of_another_clip_it_is_not_taken(clip: Path, change: str) -> None:
    write_copy(clip)
    if change == "another size":
        clip.write_bytes(b"123456")
        os.utime(clip, (1000, 1000))
    elif change == "newer":
        os.utime(clip, (3000, 3000))
    else:
        clip.unlink()
    assert Copies().shown(str(clip)) == str(clip)


def test_samples_name_it(tmp_path: Path) -> None:
    table(tmp_path, "Demo", "test", ("a", "Is it?", "question"), ("b", "Is it?", "question"))
    videos = tmp_path / "Demo" / "video"
    videos.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (videos / name).write_bytes(b"12345")
        os.utime(videos / name, (1000, 1000))
    copy = write_copy(videos / "b.mp4")
    samples = read_split(tasks()["demo"], "test", tmp_path, "{root}/{dataset}/video")
    assert [sample.video for sample in samples] == [str(videos / "a.mp4"), str(copy)]
