"""What functions gave is kept for a while: the same clip is asked about twice by one question (how many tokens is it,
what does it show), and by each of the tasks that share it (MELD and MELD-DA).

Standard library only, Python 3.10, nothing from the orchestrator.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any


class _Same:
    """An object that is equal to itself alone; it is kept, so that no other gets its place in memory."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def frozen(value: Any) -> Any:
    """What can be looked up in place of an argument: plain values by what they are, all others by identity."""
    if value is None or isinstance(value, (str, int, float, bool, os.PathLike)):
        return type(value).__name__, value
    if isinstance(value, (list, tuple)):
        return tuple(map(frozen, value))
    if isinstance(value, SimpleNamespace):
        value = vars(value)
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return tuple((name, frozen(value[name])) for name in sorted(value))
    return _Same(value)


class Recall:
    """The newest results, ``size`` of them. Threads that ask for the same at once wait for the first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Any, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, work: Callable[[], Any]) -> Any:
        """What ``work`` gave when it was asked for under this key, or gives now. Errors are not kept.

        A list or mapping is a new one each time; what is in it is shared.
        """
        with self._lock:
            found = self._kept.get(key)
            mine = found is None
            if found is None:
                found = self._kept[key] = Future()
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        if mine:
            try:
                found.set_result(work())
            except BaseException as error:
                with self._lock:
                    if self._kept.get(key) is found:
                        del self._kept[key]
                found.set_exception(error)
        result = found.result()
        return copy.copy(result) if isinstance(result, (list, dict)) else result
