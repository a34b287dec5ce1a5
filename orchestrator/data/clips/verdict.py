"""Whether a clip is sound: every toolkit is given the frames that are shown, evenly spaced over it, and upright.

What the toolkits' readers make of a clip was measured at the versions that ``third_party/`` pins, with clips whose
pictures say their number (`tests/toolkits/test_clips.py`):

- LLaMA-Factory decodes from the start (PyAV 16) and takes frames by the number that the header announces: the first few
  where it announces none, too few where fewer are shown. It turns no picture. Our hosted frames are read by PyAV, too.
- LLaVA-NeXT, VideoLLaMA2 and ms-swift seek (decord 0.6, of 2021). It counts the frames that are stored, whatever an
  edit list hides, goes by the times of key frames, knows no AV1, and misreads the rows of narrow pictures.

So only what all of them were seen to read right is called sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.data.clips.groups import Groups
from orchestrator.data.clips.look import Look
from orchestrator.data.clips.matrix import UPRIGHT, WORDS

# of each container that announces how many frames it holds, what decord reads right: in an AVI frames have no times of
# their own, and it finds only those of codecs that never store one behind another that is shown later
CODECS = {
    "mov": ("h264", "hevc", "mpeg4", "mpeg2video", "vp9", "mjpeg", "prores"),
    "avi": ("mpeg4", "mjpeg", "ffv1", "rawvideo"),
}
PIXELS = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv420p10le", "yuv422p10le")
# decord copies the rows of narrower pictures only where they are a multiple of 32 pixels
NARROW, ROW = 80, 32
# LLaVA-NeXT rounds the rate to whole frames a second, and steps by it
LEAST_RATE = 1.0
# LLaMA-Factory takes at most so many frames of a second (`VIDEO_FPS`), up to as many as recipes ask for
MOST_RATE, MOST_FRAMES = 100.0, 64
# why decord gives neighbours of the frames that it is asked for
GROUPS = (
    "its frames do not say when they are shown",
    "its key frames are too close to be found by their times",
    "its groups of frames are open",
)
SUFFIX_OF_PICTURES = ".gif"  # VideoLLaMA2 reads such a file by another way


def reasons(name: str, found: Look) -> list[str]:
    """Why some toolkit would not be given what an undamaged clip shows; none where it is sound."""
    said = list(_of_file(name, found))
    if found.announced and found.announced != len(found.times):
        said.append(f"it announces {found.announced:,} frames and shows {len(found.times):,}")
    if found.announced and found.groups:
        said += [why for why, so in zip(GROUPS, _faults(found.groups), strict=True) if so][:1]
    if found.transform != UPRIGHT:
        said.append(f"its pictures are to be {WORDS[found.transform]}")
    if not even(in_order(found.times, found.rate)):
        said.append("its frame rate varies")
    elif found.announced and found.rate < LEAST_RATE:
        said.append(f"it has {found.rate:.2g} frames a second")
    elif found.announced and found.seconds * MOST_RATE < min(len(found.times), MOST_FRAMES):
        said.append(f"its header gives it {found.seconds:.2g} s for {len(found.times):,} frames")
    return said


def _faults(groups: Groups) -> tuple[bool, ...]:
    return (groups.untimed > 0, groups.mislaid, groups.open)


def _of_file(name: str, found: Look) -> list[str]:
    said = []
    container = next((kind for kind in CODECS if kind in found.container), "")
    if not found.announced or not container:
        said.append("its header does not say how many frames it has")
    if container and found.codec not in CODECS[container]:
        said.append(f"decord cannot be trusted with {found.codec} in a file of this kind ({container})")
    elif found.pixels not in PIXELS:
        said.append(f"decord cannot be trusted with its pixels, {found.pixels}")
    if Path(name).suffix.lower() == SUFFIX_OF_PICTURES:
        said.append("a GIF is read by other ways than a video")
    if found.streams > 1:
        said.append(f"it holds {found.streams} video streams")
    if found.sizes > 1:
        said.append("its pictures change their size")
    width, height = found.size
    if width < NARROW and width % ROW:
        said.append(f"{width} x {height} pixels are too narrow for decord")
    return said


def in_order(times: Sequence[float], announced: float) -> Sequence[float]:
    """When frames are shown, where their file (AVI, WMV) says only when each is to be decoded.

    Frames that refer to later ones then have each other's times; in order these are even, at the rate of the header.
    """
    ordered = sorted(times)
    if len(set(ordered)) < len(ordered) or len(ordered) < 3 or not even(ordered):
        return times
    rate = (len(ordered) - 1) / (ordered[-1] - ordered[0])
    return ordered if announced and abs(rate / announced - 1) < 0.02 else times


def even(times: Sequence[float]) -> bool:
    """Whether frames that are evenly spaced by number are so in time: none is further off than one frame."""
    if len(times) < 3:
        return True
    step = (times[-1] - times[0]) / (len(times) - 1)
    return step > 0 and all(abs(at - times[0] - step * number) <= step * 1.001 for number, at in enumerate(times))
