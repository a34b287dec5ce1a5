"""Copies show what the clip shows: every frame in its time, upright; the clip itself is left alone."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data.clips.copies import Copies, copy_of
from orchestrator.data.clips.look import look
from orchestrator.data.clips.repair import NotRepaired, repair, timing
from orchestrator.data.clips.verdict import reasons
from tests.clips import number_of, white_corner, write_coded, write_cut, write_turned
from tests.data.clips.test_verdict import REPAIRABLE

av = pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")


def shown(path: Path) -> tuple[list[int], set[str]]:
    """The numbers of the frames that a clip shows, as its pictures say, and where their white corner is."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [number_of(one) for one in pictures], {white_corner(one) for one in pictures}


def repaired(clip: Path) -> tuple[list[int], set[str]]:
    """What the copy of a clip shows, which must be sound."""
    before, copy = clip.read_bytes(), clip.parent / ".repaired" / "copy.mp4"
    repair(str(clip), copy)
    assert clip.read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy.mp4"]
    found = look(str(copy))
    assert (found.damage, reasons("copy.mp4", found), found.codec, found.pixels) == ("", [], "h264", "yuv420p")
    assert all(side % 2 == 0 for side in found.size)
    return shown(copy)


OTHER_FRAMES = {"before_zero.mp4", "varies.mp4", "slow.mp4", "short.mp4"}


@pytest.mark.parametrize("name", sorted(REPAIRABLE.keys() - OTHER_FRAMES))
def test_every_frame_once(tmp_path: Path, name: str) -> None:
    assert repaired(write_coded(tmp_path / name, **REPAIRABLE[name][0])) == (list(range(50)), {"top left"})


def test_in_their_time(tmp_path: Path) -> None:
    clips = {name: repaired(write_coded(tmp_path / name, **REPAIRABLE[name][0]))[0] for name in OTHER_FRAMES}
    assert clips["before_zero.mp4"] == list(range(10, 50))
    assert clips["short.mp4"] == list(range(4))
    assert clips["slow.mp4"] == [at for at in range(6) for _ in range(5)]
    # 25 frames in a second, then one in each fifth of one
    assert clips["varies.mp4"][:146] == [*range(25), *(at for at in range(25, 49) for _ in range(5)), 49]


def test_what_a_cut_hides_is_not_shown(tmp_path: Path) -> None:
    whole = write_coded(tmp_path / "whole.mp4", options={"x264-params": "keyint=20:min-keyint=20:scenecut=0"})
    assert repaired(write_cut(whole, tmp_path / "cut.mp4", 1.2))[0] == list(range(30, 50))


@pytest.mark.parametrize(
    ("degrees", "mirrored", "corner"),
    [
        (90, False, "bottom left"),
        (180, False, "bottom right"),
        (270, False, "top right"),
        (0, True, "top right"),
    ],
)
def test_upright(tmp_path: Path, degrees: int, mirrored: bool, corner: str) -> None:
    turned = write_turned(write_coded(tmp_path / "a.mp4"), tmp_path / "turned.mp4", degrees, mirrored=mirrored)
    numbers, corners = repaired(turned)
    assert (numbers, corners) == (list(range(50)), {corner})
    with av.open(str(tmp_path / ".repaired" / "copy.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == ((64, 96) if degrees in (90, 270) else (96, 64))


def test_a_picture_that_changes_its_size(tmp_path: Path) -> None:
    clip = tmp_path / "a.mpg"
    for part, size in enumerate(((96, 64), (192, 128))):
        one = write_coded(tmp_path / f"{part}.mpg", codec="mpeg2video", size=size, ticks=lambda at, p=part: at + 50 * p)
        with clip.open("ab") as file:
            file.write(one.read_bytes())
    assert "its pictures change their size" in reasons("a.mpg", look(str(clip)))
    assert repaired(clip) == ([*range(49), *range(50)], {"top left"})  # a frame is lost where they join


def test_the_same_clip_gives_the_same_bytes(tmp_path: Path) -> None:
    clip = write_coded(tmp_path / "a.mkv")
    copies = [tmp_path / f"{number}.mp4" for number in range(2)]
    for copy in copies:
        repair(str(clip), copy)
    assert copies[0].read_bytes() == copies[1].read_bytes()


def test_a_damaged_clip_has_no_copy(tmp_path: Path) -> None:
    clip = write_coded(tmp_path / "a.mkv")
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(NotRepaired, match="cut off"):
        repair(str(clip), tmp_path / ".repaired" / "copy.mp4")
    assert not (tmp_path / ".repaired").exists()


def test_a_copy_that_would_not_be_sound_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.data.clips.repair.reasons", lambda *_: ["it is odd"])
    with pytest.raises(NotRepaired, match="its copy would not be sound: it is odd"):
        repair(str(write_coded(tmp_path / "a.mkv")), tmp_path / ".repaired" / "copy.mp4")
    assert list((tmp_path / ".repaired").iterdir()) == []


def test_a_copy_is_never_older_than_its_clip(tmp_path: Path) -> None:
    clip = write_coded(tmp_path / "a.mkv")
    os.utime(clip, (2e9, 2e9))
    assert repair(str(clip), copy_of(str(clip)))["frames"] == 50
    assert Copies().shown(str(clip)) == str(copy_of(str(clip)))


def test_what_a_repair_left_that_ran_out_of_time_goes(tmp_path: Path) -> None:
    clip, copy = write_coded(tmp_path / "a[1].mkv"), tmp_path / ".repaired" / "a[1].mkv.9.mp4"
    copy.parent.mkdir()
    (copy.parent / f".{copy.name}.123.part.mp4").touch()
    (other := copy.parent / ".b.mkv.9.mp4.123.part.mp4").touch()
    repair(str(clip), copy)
    assert sorted(copy.parent.iterdir()) == [other, copy]


def test_timing() -> None:
    every: Any = lambda count: list(range(count))  # noqa: E731
    assert timing([0.0], 0.0) == (Fraction(25), [0])
    assert timing([at / 25 for at in range(9)], 25.0) == (Fraction(25), every(9))
    assert timing([at * 1001 / 24000 for at in range(9)], 24000 / 1001) == (Fraction(24000, 1001), every(9))
    assert timing([at / 500 for at in range(9)], 500.0) == (Fraction(60), every(9))
    # slow motion in real time, as its sound is
    assert timing([at / 120 for at in range(120)], 120.0) == (Fraction(60), every(120)[::2])
    # when frames are decoded, not when they are shown, as in AVI: 0.04 0.16 0.12 0.2 0.08 ...
    decoded = [at / 25 for at in (1, 4, 3, 5, 2, 8, 7, 9, 6, 12, 11, 13, 10)]
    assert timing(decoded, 25.0) == (Fraction(25), every(13))
    assert timing([0.0], 1 / 3) == (Fraction(1), [0])
    # a clock that begins anew
    assert timing([0.0, 0.5, 1.0, 0.0, 0.5], 2.0) == (Fraction(2), every(5))
    # what the header says and the frames do not
    assert timing([at / 25 for at in range(9)], 90000.0) == (Fraction(25), every(9))
    assert timing([0.0, 4.0], 0.25) == (Fraction(1), [0, 0, 0, 0, 1, 1, 1, 1])
