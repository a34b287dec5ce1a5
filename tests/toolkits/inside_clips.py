"""Runs inside each toolkit's environment for test_clips.py: ``start.py inside_clips.py TOOLKIT FRAMES CLIP...``.

Prints as JSON, for each clip, which frames the toolkit's own reader gives to training and inference: by what their
pictures say, and where their white corner is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from orchestrator.inside import reading
from tests.toolkits.inside import module


def llamafactory(frames: int) -> Callable[[str], Sequence[Any]]:
    from llamafactory.data.mm_plugin import get_mm_plugin

    plugin = get_mm_plugin("qwen2_vl", image_token="<|image_pad|>", video_token="<|video_pad|>")
    sizes = {"image_max_pixels": 1 << 20, "image_min_pixels": 32 * 32}
    return lambda clip: plugin._regularize_videos([clip], video_fps=100.0, video_maxlen=frames, **sizes)["videos"][0]


def llava_next(frames: int) -> Callable[[str], Sequence[Any]]:
    from llava.utils import process_video_with_decord

    options = SimpleNamespace(video_fps=1, frames_upbound=frames, force_sample=True)
    return lambda clip: process_video_with_decord(clip, options)[0]


def videollama2(frames: int) -> Callable[[str], Sequence[Any]]:
    from videollama2.mm_utils import process_video

    as_read = SimpleNamespace(preprocess=lambda images, return_tensors: {"pixel_values": images})
    return lambda clip: process_video(clip, as_read, aspect_ratio="", num_frames=frames)


def swift(frames: int) -> Callable[[str], Sequence[Any]]:
    from orchestrator.toolkits.swift.inside import patches

    return lambda clip: patches.load_video(clip, frames)


def qwen_in_swift(frames: int) -> Callable[[str], Sequence[Any]]:
    from qwen_vl_utils import fetch_video

    def read(clip: str) -> Sequence[Any]:
        found = fetch_video({"video": clip, "nframes": frames, "min_pixels": 28 * 28})
        return found.permute(0, 2, 3, 1).numpy()

    return read


def openai_api(frames: int) -> Callable[[str], Sequence[Any]]:
    from orchestrator.toolkits.openai_api.inside.frames import frames_of

    return lambda clip: [url for url, *_ in frames_of(clip, frames, 1 << 20)]


def seen(pictures: Sequence[Any]) -> list[Any]:
    """The pictures' numbers and white corners; pictures in text as they are, for this environment has no numpy."""
    if len(pictures) and isinstance(pictures[0], str):
        return list(pictures)
    import numpy as np

    from tests.clips import number_of, white_corner

    arrays = [np.asarray(one) for one in pictures]
    return [list(map(number_of, arrays)), sorted(set(map(white_corner, arrays)))]


def main() -> None:
    toolkit, frames, *clips = sys.argv[1:]
    reading.watch(module("swift" if "swift" in toolkit else toolkit, "clips").__package__)
    read = globals()[toolkit](int(frames))
    found: dict[str, Any] = {}
    for clip in clips:
        try:
            found[clip] = seen(read(clip))
        except Exception as error:
            found[clip] = f"{type(error).__name__}: {error}"
    print("\n" + json.dumps(found))
