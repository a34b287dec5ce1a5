"""The sound of a clip for its repaired copy: AAC, mono or stereo, from where it begins beside the pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # a second, that any player and reader takes
BITS_A_CHANNEL = 96_000  # a second
FRAME = 1024  # samples of a frame of AAC


class Track:
    """A clip's sound, encoded for a file that is being written."""

    def __init__(self, clip: str, target: Any, begin: float):
        """Add a stream to ``target``; ``begin``: when the clip's first picture is shown, in seconds."""
        import av

        with av.open(clip) as container:
            source: Any = container.streams.best("audio")
            rate = source.rate if source.rate in RATES else RATES[-1]
            layout = "mono" if source.channels == 1 else "stereo"
            self._stream = target.add_stream("aac", rate=rate, layout=layout)
            self._stream.bit_rate = BITS_A_CHANNEL * (1 if layout == "mono" else 2)
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=FRAME)
            self._packets = deque(self._encoded(container, source, resampler, begin))

    def until(self, seconds: float) -> Iterator[Any]:
        """The packets up to a time, which belong before the picture that is shown then."""
        while self._packets and float((self._packets[0].dts or 0) * self._packets[0].time_base) <= seconds:
            yield self._packets.popleft()

    def _encoded(self, container: Any, source: Any, resampler: Any, begin: float) -> Iterator[Any]:
        place: int | None = None
        for frame in (*container.decode(source), None):
            if place is None:
                place = max(0, round(((frame.time or 0.0) - begin) * resampler.rate))
            for one in resampler.resample(frame):
                one.pts, one.time_base = place, Fraction(1, resampler.rate)
                place += one.samples
                yield from self._stream.encode(one)
        yield from self._stream.encode()
