"""`data repair`: which clips get copies, and what becomes of older ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.data.archives import _count
from orchestrator.data.clips.copies import Copies
from orchestrator.data.repair import repair_videos
from orchestrator.data.videos import check_videos
from tests.clips import write_coded

pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")


def test_repairable_ones_get_copies(tmp_path: Path) -> None:
    sound, other = write_coded(tmp_path / "a.mp4"), write_coded(tmp_path / "b.mkv")
    clips = [str(tmp_path / name) for name in ("b.mkv", "a.mp4", "gone.mp4", "b.mkv")]
    counts: list[tuple[int, int]] = []
    done = repair_videos(clips, tmp_path / "videos.json", repaired=lambda *count: counts.append(count))
    assert (done.clips, counts) == (3, [(1, 1)])
    (one,) = done.repaired
    assert (one.clip, one.frames, one.rate, one.size) == (str(other), 50, 25.0, (96, 64))
    assert one.why.endswith("its header does not say how many frames it has")
    assert [problem.where for problem in done.problems] == [str(tmp_path / "gone.mp4")]
    assert Copies().shown(str(other)) == one.copy
    assert Copies().shown(str(sound)) == str(sound)
    again = repair_videos([Copies().shown(clip) for clip in clips], tmp_path / "videos.json")
    assert (again.repaired, again.clips) == ([], 3)


def test_the_copy_of_what_was_there_before_goes(tmp_path: Path) -> None:
    clip = write_coded(tmp_path / "b.mkv")
    (first,) = repair_videos([str(clip)]).repaired
    (tmp_path / ".repaired" / "b.mkv.more.5.mp4").touch()  # of `b.mkv.more`
    write_coded(clip, 20)
    (second,) = repair_videos([str(clip)]).repaired
    assert (first.frames, second.frames) == (50, 20)
    assert {path.name for path in (tmp_path / ".repaired").iterdir()} == {Path(second.copy).name, "b.mkv.more.5.mp4"}


def test_a_copy_that_is_found_wanting_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_coded(tmp_path / "b.mkv")
    (first,) = repair_videos([str(clip)]).repaired
    shutil.copyfile(clip, first.copy)  # as a copy that another version of this program wrote
    (second,) = repair_videos([first.copy]).repaired
    assert (second.clip, second.copy) == (str(clip), first.copy)
    assert check_videos([second.copy]) == []
    assert [path.name for path in (tmp_path / ".repaired").iterdir()] == [Path(first.copy).name]


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_coded(tmp_path / "b.mkv")
    (tmp_path / ".repaired").touch()
    done = repair_videos([str(clip)])
    assert done.repaired == []
    assert "File exists" in done.problems[0].message or "Not a directory" in done.problems[0].message
    assert check_videos([clip])[0].repairable


def test_copies_are_no_files_of_an_archive(tmp_path: Path) -> None:
    for name in ("stamp.json", "a.mkv", "b.mkv"):
        (tmp_path / name).touch()
    before = _count(tmp_path)
    (tmp_path / ".repaired").mkdir()
    (tmp_path / ".repaired" / "a.mkv.5.mp4").touch()
    assert _count(tmp_path) == before == 2
