"""How a clip's pictures are to be turned when they are shown: its display matrix, in quarter turns and mirrorings."""

from __future__ import annotations

import struct
from typing import Any

Transform = tuple[int, int, int, int]  # (a, b, c, d): what is stored at (x, y) is shown at (ax + cy, bx + dy)

UPRIGHT: Transform = (1, 0, 0, 1)
FIXED = struct.Struct("<9i")  # a, b, u, c, d, v, x, y, w: fixed point numbers (ISO 14496-12, 6.2.2)
# FFmpeg's filters that do it, with their arguments
FILTERS: dict[Transform, tuple[tuple[str, str], ...]] = {
    UPRIGHT: (),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    (-1, 0, 0, 1): (("hflip", ""),),
    (1, 0, 0, -1): (("vflip", ""),),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (0, -1, 1, 0): (("transpose", "cclock"),),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
}
WORDS: dict[Transform, str] = {
    (-1, 0, 0, -1): "turned by 180 degrees",
    (-1, 0, 0, 1): "mirrored",
    (1, 0, 0, -1): "turned upside down and mirrored",
    (0, 1, -1, 0): "turned by 90 degrees clockwise",
    (0, -1, 1, 0): "turned by 90 degrees counterclockwise",
    (0, 1, 1, 0): "turned and mirrored",
    (0, -1, -1, 0): "turned and mirrored",
}


def transform_of(frame: Any) -> Transform:
    """The quarter turn or mirroring that a decoded frame's display matrix asks for, or comes nearest to."""
    for data in frame.side_data:
        content = bytes(data)
        if data.type.name == "DISPLAYMATRIX" and len(content) >= FIXED.size:
            a, b, _, c, d, *_ = FIXED.unpack(content[: FIXED.size])
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
            return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)
    return UPRIGHT
