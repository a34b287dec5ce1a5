"""Generated clips for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_video(
    path: Path, seed: int = 0, frames: int = 8, codec: str | None = None, size: tuple[int, int] = (96, 64)
) -> Path:
    """A small mp4 (10 frames a second) whose colour changes with every frame; codecs alternate by seed."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec or ("mpeg4" if seed % 2 else "libx264"), rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), (number * 20 + seed * 7) % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
