"""Reading a clip has its time, and its failure names the clip: a toolkit's reader may hang in its decoder for ever.

A toolkit's ``inside/clips.py`` says in ``READERS`` which functions of which modules read clips: ``{module: (name,
...)}``, a method as ``Class.name`` (``*.name``: of all classes). They are changed when the toolkit imports them, in
every process that ``start.py`` starts. What they give is as it was, so this is no part of stage keys.

Standard library only, Python 3.10, nothing from the orchestrator but what lies beside it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

from orchestrator.inside.recall import Recall, frozen

SECONDS, SECONDS_PER_MB = 120.0, 10.0  # many times what a clip takes on a slow core
GIVEN = "MMLA_CLIP_SECONDS"  # another time, whatever the clip's size


_recall: Optional[Recall] = None


def remember(count: int) -> None:
    """From now on keep what the readers gave, for so many calls: for a process that asks for the same clips again."""
    global _recall
    _recall = Recall(count)


class ClipError(RuntimeError):
    """A clip that cannot be read, or not in time; the message names it."""


class _Finder:
    """Finds the modules that hold readers, and changes these once a module is imported."""

    def __init__(self) -> None:
        self.readers: dict[str, Sequence[str]] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """As Python's finders do; ``None`` for all other modules."""
        names = self.readers.pop(name, None)
        spec = importlib.util.find_spec(name) if names else None
        if names is None or spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            limit(module, names)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


FINDER = _Finder()


def watch(package: str) -> None:
    """Have the readers that a package's module ``clips`` names take no longer than they may."""
    if not package or importlib.util.find_spec(f"{package}.clips") is None:
        return
    readers: Mapping[str, Sequence[str]] = importlib.import_module(f"{package}.clips").READERS
    for name, names in readers.items():
        if name in sys.modules:
            limit(sys.modules[name], names)
        else:
            FINDER.readers[name] = names
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


def limit(module: ModuleType, names: Sequence[str]) -> None:
    """Change some readers of a module; ``*.name``: of all its classes that have it of their own."""
    for name in names:
        owner, _, last = name.rpartition(".")
        holders: list[Any] = [module]
        if owner:
            classes = [one for one in vars(module).values() if isinstance(one, type)]
            holders = [one for one in classes if owner in ("*", one.__name__) and last in vars(one)]
        for holder in holders:
            read = getattr(holder, last)
            if not hasattr(read, "in_time"):
                setattr(holder, last, in_time(read))


def in_time(read: Callable[..., Any]) -> Callable[..., Any]:
    """A reader whose failure, or delay, is an error that names the clip."""

    @functools.wraps(read)
    def checked(*args: Any, **kwargs: Any) -> Any:
        place, clips = clips_in(args)
        if not clips:
            return read(*args, **kwargs)
        name, partial = ", ".join(clips), functools.partial(read, *args, **kwargs)
        try:
            return _kept(read, args, kwargs, lambda: within(sum(map(seconds_for, clips)), name, partial))
        except Exception as error:
            if len(clips) > 1:  # which of them is it?
                for clip in clips:
                    checked(*args[:place], [clip], *args[place + 1 :], **kwargs)
            if name in str(error) or isinstance(error, MemoryError):
                raise
            # its own words first, for whoever looks at how they begin
            raise ClipError(f"{error} ({type(error).__name__} while reading {name})") from error

    checked.in_time = True  # type: ignore[attr-defined]
    return checked


def _kept(read: Callable[..., Any], args: Any, kwargs: Any, work: Callable[[], Any]) -> Any:
    return work() if _recall is None else _recall.get((read, frozen(args), frozen(kwargs)), work)


def clips_in(args: Sequence[Any]) -> tuple[int, list[str]]:
    """Which of a reader's arguments names clips, and their paths: one, a list of them, or what has one as ``video``."""
    for place, one in enumerate(args):
        given = one.get("video") if isinstance(one, dict) else one
        several = list(given) if isinstance(given, (list, tuple)) else [given]
        if several and all(isinstance(path, (str, os.PathLike)) for path in several):
            return place, [str(os.fspath(path)) for path in several if path is not None]
    return 0, []


def seconds_for(clip: str) -> float:
    """How long reading a clip may take."""
    if given := os.environ.get(GIVEN):
        return float(given)
    try:
        return SECONDS + SECONDS_PER_MB * Path(clip).stat().st_size / 1e6
    except OSError:
        return SECONDS


def within(seconds: float, what: str, work: Callable[[], Any]) -> Any:
    """What ``work`` returns, or raises; `ClipError` where it takes longer. It then goes on, to the process's end."""
    done: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            done.append((True, work()))
        except BaseException as error:  # raised where it is waited for
            done.append((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise ClipError(f"{what} was not read within {seconds:.0f} seconds: its reader hangs (`data check --videos`)")
    well, found = done[0]
    if well:
        return found
    raise found
