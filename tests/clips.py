"""Clips whose pictures say which frame they are, and which way is up: for tests of what a reader is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

STEP = 5  # of brightness, from one frame to the next: 51 frames can be told apart
CORNERS = ("top left", "top right", "bottom left", "bottom right")


def picture(number: int, size: tuple[int, int] = (96, 64)) -> Any:
    """An RGB array (height, width, 3): its middle is as bright as its number says, its top left corner is white."""
    width, height = size
    found = np.full((height, width, 3), number * STEP, np.uint8)
    for place, (rows, columns) in enumerate(_corners(height, width)):
        found[rows, columns] = 0 if place else 255
    return found


def number_of(seen: Any) -> int:
    """The number of the frame that an RGB array shows."""
    height, width = seen.shape[:2]
    return round(float(seen[height * 2 // 5 : height * 3 // 5 + 1, width * 2 // 5 : width * 3 // 5 + 1].mean()) / STEP)


def white_corner(seen: Any) -> str:
    """Where an RGB array shows the corner that was written at the top left."""
    means = [float(seen[rows, columns].mean()) for rows, columns in _corners(*seen.shape[:2])]
    return CORNERS[means.index(max(means))]


def write_coded(
    path: Path,
    frames: int = 50,
    *,
    rate: int | Fraction = 25,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
    pix_fmt: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    muxing: Mapping[str, str] | None = None,
    ticks: Callable[[int], int] = lambda at: at,
    base: Fraction | None = None,
) -> Path:
    """Write a clip whose frame ``i`` is ``picture(i)``; ``ticks`` gives its time in units of ``base`` (1 / rate)."""
    import av

    quality = {"crf": "10"} if codec in ("libx264", "libx265", "libvpx-vp9", "libsvtav1") else {}
    with av.open(str(path), "w", options=dict(muxing or {})) as container:
        stream = container.add_stream(codec, rate=rate, options=quality | dict(options or {}))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if not quality:
            stream.bit_rate = 4_000_000
        if base:
            stream.codec_context.time_base = base
        for at in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(at, size), format="rgb24")
            frame.pts, frame.time_base = ticks(at), base or 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    # SVT-AV1 has made this process a real-time one (SCHED_FIFO, of root), and so all that it starts: they would starve
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def write_cut(source: Path, path: Path, seconds: float, muxing: Mapping[str, str] | None = None) -> Path:
    """As ``ffmpeg -ss SECONDS -i source -c copy path``: from the key frame before, with what is not shown left out by
    an edit list where the container has such.
    """
    import av

    with av.open(str(source)) as one, av.open(str(path), "w", options=dict(muxing or {})) as two:
        stream = one.streams.video[0]
        copied = two.add_stream_from_template(stream)
        base = stream.time_base or Fraction(1)
        one.seek(int(seconds / base), stream=stream)
        shift = int(seconds / base)
        for packet in one.demux(stream):
            if packet.dts is not None and packet.pts is not None:
                packet.stream, packet.pts, packet.dts = copied, packet.pts - shift, packet.dts - shift
                two.mux(packet)
    return path


def write_turned(source: Path, path: Path, degrees: int, *, mirrored: bool = False) -> Path:
    """Copy a clip into an mp4 that asks for its pictures to be turned counterclockwise, and mirrored before."""
    import av

    with av.open(str(source)) as one, av.open(str(path), "w") as two:
        copied: Any = two.add_stream_from_template(one.streams.video[0])
        copied.set_display_rotation(degrees, hflip=mirrored)
        for packet in one.demux(one.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copied
                two.mux(packet)
    return path


def _corners(height: int, width: int) -> list[tuple[slice, slice]]:
    top, bottom = slice(0, height // 4), slice(height - height // 4, height)
    left, right = slice(0, width // 4), slice(width - width // 4, width)
    return [(top, left), (top, right), (bottom, left), (bottom, right)]
