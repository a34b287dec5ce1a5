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


def tone(hertz: float, seconds: float = 1.0, *, rate: int = 16_000, channels: int = 1, loud: float = 0.5) -> np.ndarray:
    """A sine, of shape (channels, samples), float32."""
    wave = loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def write_sounding(
    path: Path,
    samples: np.ndarray | None,
    *,
    rate: int = 16_000,
    frames: int = 8,
    codec: str = "aac",
    size: tuple[int, int] = (96, 64),
) -> Path:
    """A clip of some frames (none: sound alone), whose sound is ``samples`` of shape (channels, samples); none: silent.

    The pictures are those of `write_video`, the same in every clip.
    """
    import av

    with av.open(str(path), "w") as container:
        if frames:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if samples is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
            sound = container.add_stream(codec, rate=rate, layout=layout)
            form = sound.format.name
            planes = samples if form.startswith("flt") else (samples * 32767).astype(np.int16)
            planar = "fltp" if form.startswith("flt") else "s16p"
            for place in range(0, planes.shape[1], 1024):
                part = np.ascontiguousarray(planes[:, place : place + 1024])
                frame = av.AudioFrame.from_ndarray(part, format=planar, layout=layout)
                frame.sample_rate, frame.pts = rate, place
                converted = av.AudioResampler(format=form, layout=layout, rate=rate).resample(frame)
                for one in converted:
                    one.pts = place
                    container.mux(sound.encode(one))
            container.mux(sound.encode())
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), number * 20 % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if frames:
            container.mux(stream.encode())
    return path
