"""What was read is not read again: neither by one after the other, nor by several at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.inside import reading
from orchestrator.inside.reading import in_time
from orchestrator.inside.recall import Recall, frozen


class Reader:
    """Counts how often it reads; waits where it is told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, path: str, frames: int = 4, options: Any = None) -> list[str]:
        self.gate.wait(10)
        self.calls.append(path)
        if path == "bad.mp4":
            raise ValueError("it is bad")
        return [path] * frames


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> tuple[Reader, Any]:
    monkeypatch.setattr(reading, "_recall", None)
    reading.remember(2)
    inner = Reader()

    def read(path: str, frames: int = 4, options: Any = None) -> list[str]:
        return inner(path, frames, options)

    return inner, in_time(read)


def test_a_clip_is_read_once(reader: tuple[Reader, Any]) -> None:
    inner, read = reader
    first = read("a.mp4")
    first.append("changed by whoever asked")
    assert read("a.mp4") == ["a.mp4"] * 4
    assert inner.calls == ["a.mp4"]


def test_other_frames_are_another_reading(reader: tuple[Reader, Any]) -> None:
    inner, read = reader
    assert (len(read("a.mp4", 2)), len(read("a.mp4", 3)), len(read("a.mp4", frames=3))) == (2, 3, 3)
    assert inner.calls == ["a.mp4"] * 3


def test_equal_options_are_the_same_reading(reader: tuple[Reader, Any]) -> None:
    inner, read = reader
    for fps in (1, 1, 2):
        read("a.mp4", 4, SimpleNamespace(fps=fps))
    assert inner.calls == ["a.mp4"] * 2


def test_the_oldest_are_forgotten(reader: tuple[Reader, Any]) -> None:
    inner, read = reader
    for name in ("a", "b", "a", "c", "a", "b"):
        read(f"{name}.mp4")
    assert inner.calls == ["a.mp4", "b.mp4", "c.mp4", "b.mp4"]


def test_a_failure_is_not_kept(reader: tuple[Reader, Any]) -> None:
    inner, read = reader
    for _ in range(2):
        with pytest.raises(reading.ClipError, match="it is bad"):
            read("bad.mp4")
    assert inner.calls == ["bad.mp4"] * 2


def test_several_at_once_read_once(reader: tuple[Reader, Any]) -> None:
    inner, read = reader
    inner.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        coming = [pool.submit(read, "a.mp4") for _ in range(4)]
        inner.gate.set()
        assert [one.result(10) for one in coming] == [["a.mp4"] * 4] * 4
    assert inner.calls == ["a.mp4"]


def test_training_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_recall", None)
    inner = Reader()
    read = in_time(lambda path: inner(path))
    assert read("a.mp4") == read("a.mp4")
    assert inner.calls == ["a.mp4"] * 2


def test_what_is_alike() -> None:
    one, other = object(), object()
    assert frozen([1, {"b": 2, "a": (None, "x")}, one]) == frozen((1, {"a": [None, "x"], "b": 2}, one))
    assert frozen(one) != frozen(other)
    assert frozen(1) != frozen("1")
    assert frozen(1) != frozen(1.0)
    assert frozen(True) != frozen(1)


def test_what_waits_for_a_failure_hears_of_it() -> None:
    recall = Recall(2)

    def fail() -> Any:
        raise ValueError("it is bad")

    with pytest.raises(ValueError, match="it is bad"):
        recall.get("key", fail)
    assert recall.get("key", lambda: 3) == 3
