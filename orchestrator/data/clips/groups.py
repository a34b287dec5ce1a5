"""Whether a frame can be found by seeking: the key frame before it is found by its time, and frames behind that need
nothing that comes before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# where the header of a codec says how long the lengths of its units are
_LENGTHS = {"h264": 4, "hevc": 21}
_RECOVERY_POINT = 6  # an SEI message: decoding may begin here, and is right some frames later (H.264, D.2.8)
_SEI, _IDR, _CRA = 6, 5, 21  # types of units: two of H.264 (table 7-1), one of HEVC (table 7-1)


class Groups:
    """Looks at a stream's packets, in the order in which they are stored.

    Attributes:
        open: whether frames of a group need those before it: the group's key frame does not begin anew, or frames that
            are shown before it are stored behind it.
        mislaid: whether a seek for a key frame finds the next one, which is stored before the first is shown.
        untimed: how many frames do not say when they are shown.
    """

    def __init__(self, codec: str, header: bytes):
        self.open = self.mislaid = False
        self.untimed = 0
        self._codec = codec
        at = _LENGTHS.get(codec, len(header))
        self._length = (header[at] & 3) + 1 if at < len(header) and header[0] == 1 else 0
        self._key: int | None = None  # when the last key frame is shown

    def add(self, packet: Any) -> None:
        """One more frame."""
        if packet.pts is None:
            self.untimed += 1
        elif packet.is_keyframe:
            if self._key is not None:
                self.mislaid = self.mislaid or (packet.dts is not None and packet.dts <= self._key)
                self.open = self.open or self._continues(bytes(packet))
            self._key = packet.pts
        elif self._key is not None and packet.pts < self._key:
            self.open = True

    def _continues(self, content: bytes) -> bool:
        """Whether a key frame may be one at which decoding begins, and is wrong for a while."""
        units = list(self._units(content)) if self._length else []
        if self._codec == "hevc":
            return any(unit[0] >> 1 & 63 == _CRA for unit in units)
        recovers = any(unit[0] & 31 == _SEI and _RECOVERY_POINT in _messages(unit[1:]) for unit in units)
        return recovers and not any(unit[0] & 31 == _IDR for unit in units)

    def _units(self, content: bytes) -> Iterator[bytes]:
        at = 0
        while at + self._length < len(content):
            size = int.from_bytes(content[at : at + self._length], "big")
            at += self._length
            if size:
                yield content[at : at + min(size, 256)]
            at += size


def _messages(unit: bytes) -> Iterator[int]:
    """The types of a unit's SEI messages."""
    at = 0

    def number() -> int:
        nonlocal at
        total = 0
        while at < len(unit):
            total += unit[at]
            at += 1
            if unit[at - 1] < 255:
                break
        return total

    while at + 2 < len(unit):
        yield number()
        size = number()
        at += size
