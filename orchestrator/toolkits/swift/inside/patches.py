"""What is changed in ms-swift before it starts, in training, inference and merging alike.

Four of ms-swift 4.6's habits do not fit a recipe. MiniCPM-V's template takes one frame a second: two of a clip of two
seconds, whatever `video.frames` says. Here it takes MAX_NUM_FRAMES frames, evenly spaced, of any clip (a clip with
fewer has each of its frames taken once). swift runs the Python code that comes with any model without being asked; here
only where ``MMLA_TRUST_REMOTE_CODE`` is 1, which `model.trust_remote_code` sets. It does not say which training
sample it cannot read. And every checkpoint keeps gigabytes of optimizer states, of which only the newest are of use.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.inside.trainer_hooks import finish_checkpoints, keep_what_is_needed

TRUST = "MMLA_TRUST_REMOTE_CODE"


def places(total: int, frames: int) -> list[int]:
    """The middles of ``frames`` equal parts of a clip of ``total`` frames; all of them where there are no more."""
    count = min(total, frames)
    return [int((number + 0.5) * total / count) for number in range(count)]


def load_video(video: Any, max_num_frames: int) -> list[Any]:
    """In place of `load_video_minicpmv_mplug_owl3`: RGB pictures of a clip, at most ``max_num_frames``."""
    from decord import VideoReader, cpu
    from PIL import Image
    from swift.template.vision_utils import load_file

    if isinstance(video, str) and not Path(video).is_file():
        raise FileNotFoundError(f"no video {video}")
    try:
        reader = VideoReader(load_file(video), ctx=cpu(0), num_threads=1)
        frames = reader.get_batch(places(len(reader), max_num_frames)).asnumpy()
    except Exception as error:  # decord does not always name the file
        raise ValueError(f"{video} cannot be decoded: {error}") from error
    return [Image.fromarray(frame) for frame in frames]


def refuse_code(class_name: str, *_: Any, **__: Any) -> Any:
    """In place of the one function through which transformers runs a model's own code."""
    raise PermissionError(
        f"the model brings Python code of its own ({class_name}); to run it, set model.trust_remote_code: true"
    )


def naming(fetch: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``__getitem__`` of swift's training set, whose errors name the sample: its video, or how its text begins."""

    @functools.wraps(fetch)
    def named(dataset: Any, index: Any) -> Any:
        try:
            return fetch(dataset, index)
        except Exception as error:
            row = dataset.dataset[index]
            what = (row.get("videos") or [row["messages"][-2]["content"][:80]])[0]
            raise ValueError(f"the training sample {what!r}: {type(error).__name__}: {error}") from error

    return named


def install() -> None:
    """Put them in place."""
    from swift.dataset import LazyLLMDataset
    from swift.template.templates import minicpm
    from swift.trainers import patcher  # noqa: F401 - it replaces the trainer's list of callbacks
    from transformers import dynamic_module_utils

    LazyLLMDataset.__getitem__ = naming(LazyLLMDataset.__getitem__)
    minicpm.load_video_minicpmv_mplug_owl3 = load_video
    keep_what_is_needed()
    finish_checkpoints()
    if os.environ.get(TRUST) != "1":
        dynamic_module_utils.get_class_in_module = refuse_code
