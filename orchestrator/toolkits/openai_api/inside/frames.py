"""A clip's frames as JPEG data URLs, for ``question.py``; runs inside the toolkit's environment."""

from __future__ import annotations

import base64
import io
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

JPEG_QUALITY = 90
# a header that announces a few frames more than there are is common, a clip that lacks a tenth of them is cut
LEAST_SHARE = 0.9
# what a display matrix does to a picture's axes, and the turns that do it in PIL's words: it turns counterclockwise
TURNS = {
    (0, 1, -1, 0): ("ROTATE_270",),
    (-1, 0, 0, -1): ("ROTATE_180",),
    (0, -1, 1, 0): ("ROTATE_90",),
    (-1, 0, 0, 1): ("FLIP_LEFT_RIGHT",),
    (1, 0, 0, -1): ("FLIP_TOP_BOTTOM",),
    (0, 1, 1, 0): ("TRANSPOSE",),
    (0, -1, -1, 0): ("TRANSVERSE",),
}
Frame = tuple[str, int, int]  # data URL, width, height


def spread(total: int, wanted: int) -> list[int]:
    """``wanted`` of ``total`` frames, evenly spaced, the first and the last among them; all where there are fewer."""
    count = min(total, wanted)
    return [number * (total - 1) // max(count - 1, 1) for number in range(count)]


def turns_of(matrix: bytes) -> tuple[str, ...]:
    """The turns after which a picture stands as its display matrix says (nine numbers, little-endian 32 bits)."""
    a, b, _, c, d, *_ = struct.unpack("<9i", matrix)
    largest = max(map(abs, (a, b, c, d))) or 1
    # angles other than right ones are taken for the nearest, scales for none
    return TURNS.get(tuple(round(number / largest) for number in (a, b, c, d)), ())


def upright(frame: Any) -> Any:
    """A decoded frame as a PIL picture, turned as a player would show it."""
    from PIL import Image

    picture = frame.to_image()
    matrix = frame.side_data.get("DISPLAYMATRIX")
    for turn in turns_of(bytes(matrix)) if matrix is not None else ():
        picture = picture.transpose(Image.Transpose[turn])
    return picture


def jpeg(picture: Any, max_pixels: int) -> Frame:
    """A PIL picture as a data URL, scaled down to ``max_pixels``, and its size."""
    pixels = picture.width * picture.height
    if pixels > max_pixels:
        factor = math.sqrt(max_pixels / pixels)
        picture = picture.resize((max(1, int(picture.width * factor)), max(1, int(picture.height * factor))))
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY)
    url = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return url, picture.width, picture.height


def pick(path: str, chosen: Iterable[int], max_pixels: int) -> tuple[list[Frame], int]:
    """The chosen frames, and how many frames the clip has when decoded to its end."""
    import av

    chosen, found, count = set(chosen), [], 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # the pool is parallel already
        frames: Any = container.decode(stream)
        for count, frame in enumerate(frames, 1):
            if count - 1 in chosen:
                found.append(jpeg(upright(frame), max_pixels))
    return found, count


def frames_of(path: str, wanted: int, max_pixels: int) -> list[Frame]:
    """A clip's frames, evenly spaced; raises what is wrong with the file."""
    import av

    if not Path(path).is_file():
        raise FileNotFoundError(f"no video {path}")
    with av.open(path) as container:
        if not container.streams.video:
            raise ValueError(f"{path}: no video stream in the file")
        announced = container.streams.video[0].frames
    found, count = pick(path, spread(announced, wanted), max_pixels)
    if not count:
        raise ValueError(f"{path}: no frame in the video")
    if count < LEAST_SHARE * announced:
        raise ValueError(f"{path}: its header announces {announced} frames, {count} can be decoded")
    if count != announced:  # also where a container (webm, mkv) announces none
        found, _ = pick(path, spread(count, wanted), max_pixels)
    return found
