"""A copy of a clip that every toolkit reads right: upright, at a constant rate, indexed. H.264 in MP4, with sound."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from orchestrator.data.clips.look import Look, look, shown_stream
from orchestrator.data.clips.matrix import FILTERS
from orchestrator.data.clips.sound import unheard
from orchestrator.data.clips.track import Track
from orchestrator.data.clips.verdict import LEAST_RATE, MOST_FRAMES, NARROW, ROW, even, in_order, reasons

MOST_RATE = 60.0  # frames a second of a copy
# nearly lossless; one thread, so that the same clip gives the same bytes on every machine; no frames out of order, and
# a key frame every second or so
ENCODER = {"crf": "16", "preset": "veryfast", "threads": "1", "bf": "0", "g": "30", "sc_threshold": "0"}
PIXELS = "yuv420p"
LIKE_THE_CLIP = ("color_range", "colorspace", "color_primaries", "color_trc")


class NotRepaired(Exception):
    """A copy would not be sound."""


def repair(clip: str, copy: Path) -> dict[str, Any]:
    """Write a clip's copy; a file that is there before is replaced when the new one is whole.

    Returns:
        What the copy is: ``frames``, ``rate``, ``size``.

    Raises:
        NotRepaired: the clip is damaged, or the copy is not sound.
        OSError: the copy cannot be written.
    """
    changed = Path(clip).stat().st_mtime_ns
    found = look(clip)
    if found.damage:
        raise NotRepaired(found.damage)
    rate, chosen = timing(found.times, found.rate)
    heard = not unheard(clip)
    copy.parent.mkdir(exist_ok=True)
    for left in copy.parent.glob(f".{glob.escape(copy.name)}.*.part.mp4"):
        left.unlink(missing_ok=True)  # of a repair that ran out of time
    part = copy.with_name(f".{copy.name}.{os.getpid()}.part.mp4")
    try:
        size = _write(clip, part, found, rate, chosen, heard=heard)
        made = look(str(part))
        if problem := made.damage or ", ".join(reasons(str(part), made)):
            raise NotRepaired(f"its copy would not be sound: {problem}")
        if len(made.times) != len(chosen):
            raise NotRepaired(f"its copy has {len(made.times):,} frames in place of {len(chosen):,}")
        if heard and (problem := unheard(str(part))):
            raise NotRepaired(f"its copy would have lost its sound: {problem}")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        if part.stat().st_mtime_ns < changed:  # another machine's clock; only a copy that is newer is taken
            os.utime(part, ns=(changed, changed))
        part.replace(copy)
    finally:
        part.unlink(missing_ok=True)
    return {"frames": len(chosen), "rate": round(float(rate), 3), "size": list(size)}


def timing(times: Sequence[float], announced: float) -> tuple[Fraction, list[int]]:
    """A constant rate for a clip whose frames are shown at some times, and which frame is shown at each of its ticks.

    An even clip keeps each of its frames once; of more than 60 a second, where there are many, only so many are kept.

    Args:
        times: of the clip's frames, in seconds, in the order in which they are decoded.
        announced: the rate that the clip's header gives, which counts where the times agree with it.
    """
    count, times = len(times), in_order(times, announced)
    steps = sorted(later - earlier for earlier, later in pairwise(times) if later > earlier)
    if steps and len(steps) < count - 1:  # joined of several files, each with a clock of its own
        usual = steps[len(steps) // 2]
        times = [*accumulate((max(b - a, 0) or usual for a, b in pairwise(times)), initial=times[0])]
    if even(times) or not steps:
        rate = (count - 1) / (times[-1] - times[0]) if steps else announced
        rate = announced if announced and abs(rate / announced - 1) < 0.02 else rate
        if not steps:
            return _fraction(min(max(rate or 25.0, LEAST_RATE), MOST_RATE)), list(range(count))
        if LEAST_RATE <= rate <= MOST_RATE or (rate > MOST_RATE and count <= MOST_FRAMES):
            return _fraction(min(rate, MOST_RATE)), list(range(count))
    # the rate of its denser parts; a few frames that are shown for a moment only do not decide
    rate = max(LEAST_RATE, min(MOST_RATE, 1 / steps[len(steps) // 10]))
    end = times[-1] + steps[len(steps) // 2]
    begin, at, chosen = times[0], 0, []
    exact = _fraction(rate)
    for tick in range(max(1, math.floor((end - begin) * float(exact) + 0.5))):
        while at + 1 < count and times[at + 1] <= begin + (tick + 0.01) / float(exact):
            at += 1
        chosen.append(at)
    return exact, chosen


def _fraction(rate: float) -> Fraction:
    exact = Fraction(rate).limit_denominator(1001)
    return exact if exact.numerator < 1 << 20 else Fraction(round(rate * 1000), 1000)


def _write(
    clip: str, part: Path, found: Look, rate: Fraction, chosen: Sequence[int], *, heard: bool
) -> tuple[int, int]:
    """Encode the chosen frames, and the sound where there is some; returns the pictures' width and height."""
    import av

    width, height = found.size if found.transform[0] else found.size[::-1]
    larger = math.ceil(NARROW / width) if width < NARROW and width % ROW else 1
    width, height = (side * larger + side * larger % 2 for side in (width, height))
    with (
        av.open(clip) as container,
        av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        source = shown_stream(container)
        source.codec_context.thread_count = 1
        stream: Any = target.add_stream("libx264", rate=rate, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = width, height, PIXELS
        for name in LIKE_THE_CLIP:
            setattr(stream.codec_context, name, getattr(source.codec_context, name))
        track = Track(clip, target, found.times[0]) if heard else None
        turn = _Turn(FILTERS[found.transform])
        numbered, tick = _frames(container, source, broadcast=not found.announced), 0
        for number, frame in numbered:
            if tick == len(chosen):
                break
            if chosen[tick] != number:
                continue
            picture = turn(frame).reformat(width, height, PIXELS)
            while tick < len(chosen) and chosen[tick] == number:
                picture.pts, picture.time_base, picture.pict_type = tick, 1 / rate, 0
                for packet in stream.encode(picture):
                    target.mux([*(track.until(float(packet.dts * packet.time_base)) if track else ()), packet])
                tick += 1
        target.mux([*stream.encode(), *(track.until(math.inf) if track else ())])
    return width, height


def _frames(container: Any, stream: Any, *, broadcast: bool) -> Iterator[tuple[int, Any]]:
    """The frames that `look` saw, numbered."""
    import av

    number = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            if number or not broadcast:
                raise
            frames = []
        for frame in frames:
            if not frame.is_corrupt:
                yield number, frame
                number += 1


class _Turn:
    """Turns frames by FFmpeg's filters."""

    def __init__(self, filters: Sequence[tuple[str, str]]):
        self._filters = filters
        self._graphs: dict[tuple[int, int, str], Any] = {}

    def __call__(self, frame: Any) -> Any:
        if not self._filters:
            return frame
        kind = (frame.width, frame.height, frame.format.name)
        if kind not in self._graphs:
            self._graphs[kind] = self._graph(frame)
        graph = self._graphs[kind]
        graph.push(frame)
        return graph.pull()

    def _graph(self, frame: Any) -> Any:
        from av.filter import Graph

        graph = Graph()
        nodes = [
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
        ]
        nodes += [graph.add(name, arguments) if arguments else graph.add(name) for name, arguments in self._filters]
        nodes.append(graph.add("buffersink"))
        for one, two in pairwise(nodes):
            one.link_to(two)
        graph.configure()
        return graph
