"""Which clips are sound: the table of what toolkits were seen to read right (`tests/toolkits/test_clips.py`)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data.clips.look import look
from orchestrator.data.clips.verdict import even, reasons
from tests.clips import write_coded, write_cut, write_turned

pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")

GROUPS = "keyint=10:min-keyint=10:scenecut=0"
SOUND: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "plain.mov": {},
    "in_front.mp4": {"muxing": {"movflags": "faststart"}},
    "short_groups.mp4": {"options": {"x264-params": GROUPS}},
    "ten_bits.mp4": {"pix_fmt": "yuv420p10le"},
    "full_range.mp4": {"pix_fmt": "yuvj420p"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "pictures.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "late.mp4": {"ticks": lambda at: at + 30},
    "one_dropped.mp4": {"ticks": lambda at: at + (at > 20)},
    "jitter.mp4": {"ticks": lambda at: at * 40 + at * 7 % 13, "base": Fraction(1, 1000)},
    "film.mp4": {"rate": Fraction(24000, 1001)},
    "odd.mp4": {"size": (101, 75), "pix_fmt": "yuv444p"},
    "single.mp4": {"frames": 1},
    "narrow_rows.mp4": {"size": (32, 64)},
}
OPEN, COUNT, TRUST = "its groups of frames are open", "its header does not say how many frames it has", "trusted"
REPAIRABLE: dict[str, tuple[dict[str, Any], str]] = {
    "av1.mp4": ({"codec": "libsvtav1"}, TRUST),
    "open.mp4": ({"options": {"x264-params": f"{GROUPS}:open-gop=1:bframes=3"}}, OPEN),
    "between.mp4": ({"codec": "mpeg4", "options": {"bf": "2"}}, OPEN),
    "h264.avi": ({}, TRUST),
    "palette.mov": ({"codec": "qtrle", "pix_fmt": "rgb24"}, TRUST),
    "fragments.mp4": ({"muxing": {"movflags": "frag_keyframe+empty_moov"}}, COUNT),
    "a.mkv": ({}, COUNT),
    "a.webm": ({"codec": "libvpx-vp9"}, COUNT),
    "a.ts": ({}, COUNT),
    "a.flv": ({"codec": "flv"}, COUNT),
    "a.wmv": ({"codec": "wmv2"}, COUNT),
    "a.mpg": ({"codec": "mpeg2video"}, COUNT),
    "a.gif": ({"codec": "gif", "pix_fmt": "rgb8"}, "a GIF"),
    "tiny.mp4": ({"size": (16, 16)}, "16 x 16 pixels are too narrow"),
    "narrow.mp4": ({"size": (48, 64)}, "too narrow"),
    "before_zero.mp4": ({"ticks": lambda at: at - 10}, "it announces 50 frames and shows 40"),
    "varies.mp4": ({"ticks": lambda at: at if at < 25 else 25 + (at - 25) * 5}, "its frame rate varies"),
    "slow.mp4": ({"frames": 6, "rate": Fraction(1, 5)}, "it has 0.2 frames a second"),
    "short.mp4": ({"frames": 4, "rate": 240}, "its header gives it 0.017 s for 4 frames"),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound(tmp_path: Path, name: str) -> None:
    found = look(str(write_coded(tmp_path / name, **SOUND[name])))
    assert (found.damage, reasons(name, found)) == ("", [])


@pytest.mark.parametrize("name", REPAIRABLE)
def test_repairable(tmp_path: Path, name: str) -> None:
    options, why = REPAIRABLE[name]
    found = look(str(write_coded(tmp_path / name, **options)))
    assert found.damage == ""
    assert any(why in reason for reason in reasons(name, found))


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_cut_without_encoding(tmp_path: Path, suffix: str) -> None:
    whole = write_coded(tmp_path / "whole.mp4", options={"x264-params": "keyint=20:min-keyint=20:scenecut=0"})
    found = look(str(write_cut(whole, tmp_path / f"cut.{suffix}", 1.2)))
    assert reasons("cut", found) == ["it announces 30 frames and shows 20"]


def test_several_video_streams(tmp_path: Path) -> None:
    import av

    one, both = write_coded(tmp_path / "one.mp4"), tmp_path / "both.mp4"
    with av.open(str(one)) as first, av.open(str(one)) as second, av.open(str(both), "w") as target:
        pairs = [(source, target.add_stream_from_template(source.streams.video[0])) for source in (first, second)]
        for source, copied in pairs:
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
    assert reasons("both", look(str(both))) == ["it holds 2 video streams"]


@pytest.mark.parametrize(("degrees", "words"), [(90, "turned by 90"), (180, "180"), (270, "turned by 90")])
def test_turned(tmp_path: Path, degrees: int, words: str) -> None:
    found = look(str(write_turned(write_coded(tmp_path / "a.mp4"), tmp_path / "turned.mp4", degrees)))
    (reason,) = reasons("turned", found)
    assert words in reason


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], True),
        ([3.0], True),
        ([0.0, 9.0], True),
        ([0.0, 1.0, 2.0], True),
        ([0.0, 1.0, 3.0, 4.0], True),  # one was dropped
        ([0.0, 1.0, 2.0, 3.0, 10.0], False),
        ([0.0, 0.0, 0.0], False),
        ([2.0, 1.0, 0.0], False),
    ],
)
def test_even(times: list[float], expected: bool) -> None:
    assert even(times) is expected
