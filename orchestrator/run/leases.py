"""The GPUs of this machine: which are free, and which of them a stage is given."""

from __future__ import annotations

from collections.abc import Sequence


class Leases:
    """GPUs by the names that CUDA_VISIBLE_DEVICES gives them, each lent to one stage at a time.

    Args:
        names: indices, UUIDs or MIG names, in the order of the list; a name that stands there twice is one GPU.
    """

    def __init__(self, names: Sequence[str]):
        self._names = tuple(dict.fromkeys(names))
        self._free = [True] * len(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def free(self) -> tuple[str, ...]:
        """The GPUs that nobody has."""
        return tuple(name for name, free in zip(self._names, self._free, strict=True) if free)

    def take(self, count: int) -> tuple[str, ...]:
        """Lend GPUs: neighbours where there are, of which fast links are often made, and from the smallest gap.

        Args:
            count: how many; as many must be free.

        Returns:
            Their names, in the order of the list.
        """
        places = sorted(self._choose(count))
        for place in places:
            self._free[place] = False
        return tuple(self._names[place] for place in places)

    def claim(self, name: str) -> bool:
        """Lend one GPU; false where somebody has it, or where there is none of this name."""
        if name not in self.free:
            return False
        self._free[self._names.index(name)] = False
        return True

    def give_back(self, names: Sequence[str]) -> None:
        """Take GPUs back that were lent."""
        for name in names:
            self._free[self._names.index(name)] = True

    def _choose(self, count: int) -> list[int]:
        """Places in an aligned group (of 2, 4, 8 ...) that can hold them, in the smallest gap; else anywhere."""
        span = 1 << max(count - 1, 0).bit_length()
        starts = range(0, len(self._names), span)
        if fitting := [start for start in starts if self._room(start, span) >= count]:
            starts_by_gap = [min(fitting, key=lambda start: self._gaps(start, span))]
        else:
            starts_by_gap = sorted(starts, key=lambda start: -self._room(start, span))
        places = [start + place for start in starts_by_gap for place, free in enumerate(self._at(start, span)) if free]
        return places[:count]

    def _gaps(self, start: int, span: int) -> list[int]:
        """How many are free in the group, in the one twice as large around it, and so on."""
        rooms = []
        while span < 2 * len(self._names):
            rooms.append(self._room(start // span * span, span))
            span *= 2
        return rooms

    def _room(self, start: int, span: int) -> int:
        return sum(self._at(start, span))

    def _at(self, start: int, span: int) -> list[bool]:
        return self._free[start : start + span]
