"""Whether a decoder that seeks finds the frames that it is asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.data.clips.groups import Groups
from orchestrator.data.clips.look import look
from tests.clips import write_coded

H264, HEVC = b"\x01\x64\x00\x0a\xff\xe1", b"\x01" + bytes(20) + b"\x03"


class Packet(SimpleNamespace):
    """A frame as it is stored."""

    content: bytes

    def __bytes__(self) -> bytes:
        return self.content


def packet(pts: int | None, dts: int | None = None, *units: bytes, key: bool = False) -> Packet:
    """One, in the units of which each has its length before it."""
    content = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    return Packet(pts=pts, dts=pts if dts is None else dts, is_keyframe=key, content=content)


def faults(codec: str, header: bytes, *packets: Any) -> tuple[bool, bool, int]:
    groups = Groups(codec, header)
    for one in packets:
        groups.add(one)
    return groups.open, groups.mislaid, groups.untimed


IDR, SLICE = b"\x65\x88", b"\x41\x88"
RECOVERY = b"\x06\x01\x01\x00\x06\x01\x84\x80"  # picture timing, then a recovery point
UNREGISTERED = b"\x06\x05" + b"\xff\x10" + bytes(271) + b"\x80"
CRA, IDR_W_RADL = bytes([21 << 1, 1, 0]), bytes([19 << 1, 1, 0])


@pytest.mark.parametrize(
    ("codec", "header", "second", "is_open"),
    [
        ("h264", H264, packet(4, None, IDR, key=True), False),
        ("h264", H264, packet(4, None, UNREGISTERED, SLICE, key=True), False),
        ("h264", H264, packet(4, None, RECOVERY, SLICE, key=True), True),
        ("h264", H264, packet(4, None, RECOVERY, IDR, key=True), False),
        ("h264", b"", packet(4, None, RECOVERY, SLICE, key=True), False),  # its units have no lengths
        ("hevc", HEVC, packet(4, None, IDR_W_RADL, key=True), False),
        ("hevc", HEVC, packet(4, None, CRA, key=True), True),
        ("mpeg4", b"", packet(4, None, CRA, key=True), False),
        ("h264", H264, packet(4, None, b"", key=True), False),
    ],
)
def test_key_frames_that_do_not_begin_anew(codec: str, header: bytes, second: Packet, is_open: bool) -> None:
    first = packet(0, None, RECOVERY, CRA, key=True)  # nothing is before it
    assert faults(codec, header, first, packet(1), second) == (is_open, False, 0)


def test_frames_that_are_shown_before_their_key_frame() -> None:
    assert faults("mpeg4", b"", packet(0, 0, key=True), packet(3, 1, key=True), packet(2, 2)) == (True, False, 0)


def test_key_frames_that_a_seek_mislays() -> None:
    assert faults("mpeg4", b"", packet(2, 0, key=True), packet(3, 1, key=True)) == (False, True, 0)
    assert faults("mpeg4", b"", packet(2, 0, key=True), packet(5, 3, key=True)) == (False, False, 0)


def test_frames_without_a_time() -> None:
    assert faults("h264", H264, packet(None, 0, key=True), packet(None, 1)) == (False, False, 2)


def test_of_clips(tmp_path: Path) -> None:
    pytest.importorskip("av")
    group = "keyint=7:min-keyint=1"
    for name, more, is_open in (("open", ":open-gop=1", True), ("closed", "", False)):
        found = look(str(write_coded(tmp_path / f"{name}.mp4", options={"x264-params": f"{group}{more}"})))
        assert found.groups is not None
        assert found.groups.open is is_open, name
