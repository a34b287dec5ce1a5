"""Decodes a clip to its end, as a player would show it: the facts by which `verdict.py` judges it."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Any

from orchestrator.data.clips.groups import Groups
from orchestrator.data.clips.matrix import UPRIGHT, transform_of
from orchestrator.machine.optional import is_memory

OUT_OF = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # memory, open files
# not to be read now; a network's file system says most of these, and may not say them a minute later
UNREAD = (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ENODEV)
NO_PICTURES = "no video stream in the file"
SLACK = 2  # frames that some formats announce and do not mean to show
SLACK_SECONDS = 0.5
TIMED = ("matroska", "flv")  # formats whose header has no count of frames, but a length
BROADCAST, PACKET_BYTES = "mpegts", (188, 192, 204)  # a format that consists of packets
SAY_WHEN_CUT = "matroska"  # whose reader takes what is left of a damaged file for all of it, and only says so


@dataclass
class Look:
    """What was found in a clip.

    Attributes:
        damage: why not all of it can be shown; empty where it can. Nothing else counts then.
        container: as FFmpeg calls the format, e.g. ``mov,mp4,m4a,3gp,3g2,mj2``.
        codec: as FFmpeg calls it.
        pixels: the format of the pixels, e.g. ``yuv420p``.
        size: width and height in pixels, as they are stored.
        sizes: how many different ones the frames have.
        streams: how many video streams there are, pictures of a cover included.
        announced: the frames that the header announces; 0 where it does not say.
        packets: the frames that are stored.
        times: when each frame is shown, in seconds, in the order in which they are decoded.
        rate: frames a second, as the header has it.
        seconds: the stream's length, as the header has it.
        transform: how the pictures are to be turned or mirrored when they are shown.
        groups: how frames are found by seeking.
    """

    damage: str = ""
    container: str = ""
    codec: str = ""
    pixels: str = ""
    size: tuple[int, int] = (0, 0)
    sizes: int = 0
    streams: int = 0
    announced: int = 0
    packets: int = 0
    times: list[float] = field(default_factory=list)
    rate: float = 0.0
    seconds: float = 0.0
    transform: tuple[int, int, int, int] = UPRIGHT
    groups: Groups | None = None


def look(name: str) -> Look:
    """Decode a clip's video to its end, on one thread.

    Raises:
        OSError: the file cannot be read, or memory, or what else a process may have of the machine, ran out;
            MemoryError likewise.
    """
    import av

    found = Look()
    # `Capture` is given each message once more only where repeated ones are not left out
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as said, av.open(name) as container:
            _open(found, container)
            found.damage = found.damage or _read(found, container)
        lost = [text for _, who, text in said if SAY_WHEN_CUT in who]
        if lost and not found.damage:
            found.damage = f"the video is cut off or damaged: {lost[0].strip()}"
    except Exception as error:  # whatever the decoder makes of a damaged file is a finding, not a crash
        if is_memory(error) or getattr(error, "errno", None) in (*OUT_OF, *UNREAD):
            raise  # that says nothing about the video
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        found.damage = f"the video cannot be decoded: {reason}"
        if found.times:
            stops = f"decoding stops behind frame {len(found.times):,}{_of(found)}"
            found.damage = f"the video is damaged: {stops}: {reason}"
    return found


def _open(found: Look, container: Any) -> None:
    """What the header says."""
    streams = container.streams.video
    found.streams, found.container = len(streams), container.format.name
    if not streams:
        found.damage = NO_PICTURES
        return
    stream = shown_stream(container)
    # an index in front (mp4 for streaming) names frames that a cut file no longer has
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if end > container.size:
        found.damage = f"the video is cut off: its index goes to byte {end:,}, the file has {container.size:,}"
    found.codec = stream.codec_context.codec.canonical_name
    found.announced, found.rate = stream.frames, float(stream.average_rate or 0)
    if stream.duration is not None:
        found.seconds = float(stream.duration * stream.time_base)


def _read(found: Look, container: Any) -> str:
    """Decode all; what is wrong, empty where nothing is."""
    stream = shown_stream(container)
    stream.codec_context.thread_count = 1  # many clips are looked at side by side already
    if found.announced:
        container.seek(0)  # as LLaMA-Factory does
    sizes: dict[tuple[int, int, str], None] = {}
    length = 1 / found.rate if found.rate else 0.0  # of a frame, in seconds
    ticks, ends = 0.0, 0.0
    found.groups = Groups(found.codec, bytes(stream.codec_context.extradata or b""))
    for packet in container.demux():
        if packet.pts is not None and packet.time_base:
            ends = max(ends, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
            continue
        # a broadcast may begin anywhere: what comes before its first whole picture is not shown
        if packet.is_corrupt and (found.times or found.announced):
            return f"the video is cut off or damaged behind frame {len(found.times):,}{_of(found)}"
        if packet.size:
            found.packets += 1
            found.groups.add(packet)
        if packet.dts is not None:
            ticks = max(ticks, packet.dts + 1)
        for frame in _decoded(packet, found):
            if frame.is_corrupt and (found.times or found.announced):
                return f"the video is damaged at frame {len(found.times) + 1:,}{_of(found)}"
            if frame.is_corrupt:
                continue
            if not found.times:
                found.transform = transform_of(frame)
            sizes[frame.width, frame.height, frame.format.name] = None
            found.times.append(float(frame.time) if frame.time is not None else len(found.times) * length)
    if not found.times:
        return "no frame in the video"
    width, height, found.pixels = next(iter(sizes))
    found.size, found.sizes = (width, height), len(sizes)
    return _cut(found, container, ticks, max(ends, max(found.times) + length))


def _decoded(packet: Any, found: Look) -> Any:
    """A packet's frames; none of what cannot be decoded before the first picture of a broadcast."""
    import av

    try:
        return packet.decode()
    except av.error.InvalidDataError:
        if found.times or found.announced:
            raise
        return []


def _cut(found: Look, container: Any, ticks: float, ends: float) -> str:
    """Whether a file holds less than its header announces."""
    announced = found.announced
    # an AVI counts the ticks of its clock: also frames that were dropped when it was recorded, of which it holds none;
    # in an mp4 the index says where each frame is, and what an edit list leaves out is no loss
    reached = ticks + ticks / found.packets
    if "avi" in found.container and found.packets < announced - SLACK and reached < announced - SLACK:
        return f"the video is cut off: it announces {announced:,} frames and holds {found.packets:,}"
    if found.container == BROADCAST and all(container.size % size for size in PACKET_BYTES):
        return "the video is cut off: it ends within a packet"
    seconds = (container.duration or 0) / 1e6
    if any(name in found.container for name in TIMED) and ends < seconds - SLACK_SECONDS:
        return f"the video is cut off: it announces {seconds:.1f} s, and ends at {ends:.1f} s"
    return ""


def shown_stream(container: Any) -> Any:
    """The video stream that a player shows, of several."""
    return container.streams.best("video") or container.streams.video[0]


def _of(found: Look) -> str:
    return f" of {found.announced:,}" if found.announced else ""
