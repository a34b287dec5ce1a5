"""The sound of a clip as models are given it, in training and in inference alike: one channel, 16,000 times a second.

Toolkits read sound by libraries that want FFmpeg on the machine (torchcodec, audioread): there may be none, or another
on each. PyAV brings its own, which the toolkit's lock pins.

Imports nothing at its start but the standard library, Python 3.10, nothing from the orchestrator.
"""

from __future__ import annotations

import os
from typing import Any, Union

RATE = 16_000  # a second: what the ears of Qwen2-Audio and Qwen2.5-Omni are made for


def read(clip: Union[str, os.PathLike[str]], rate: int = RATE) -> Any:
    """The sound of a clip: that of its stream which a player plays, the mean of its channels.

    Args:
        clip: the file.
        rate: samples a second.

    Returns:
        A numpy array of shape (samples,), float32, between -1 and 1.

    Raises:
        ValueError: there is no sound in it. What PyAV raises where it cannot be decoded.
    """
    import av
    import numpy as np

    with av.open(os.fspath(clip)) as container:
        stream: Any = container.streams.best("audio")
        if stream is None:
            raise ValueError(f"{clip} has no sound")
        resampler = av.AudioResampler(format="fltp", rate=rate)
        parts = [one.to_ndarray() for frame in container.decode(stream) for one in resampler.resample(frame)]
        if parts:
            parts += [one.to_ndarray() for one in resampler.resample(None) if one is not None]
    if not parts:
        raise ValueError(f"there is nothing in the sound of {clip}")
    return np.concatenate(parts, axis=1).mean(axis=0).astype(np.float32)
