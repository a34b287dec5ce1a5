"""Are the videos there, and can they be decoded? Asked before a GPU is: toolkits swap a bad video silently."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from orchestrator.errors import InputError, Problem
from orchestrator.machine.files import atomic_write
from orchestrator.machine.meter import Meter

VERSION = 2  # of the cache: raised where what counts as sound changes
MEND = "delete it and run `data download` or `data check --videos` again, which unpack it from its archive, or mend it"


def check_videos(
    paths: Iterable[str | Path], cache: Path | None = None, workers: int = 4, progress: Meter | None = None
) -> list[Problem]:
    """All that is wrong with some video files: missing, empty, cut off, or no first frame to decode.

    Args:
        paths: the files; the same one twice is looked at once.
        cache: a JSON file that remembers sound videos by path, size and time of change (never unsound ones: those may
            be mended by another build of the decoder).
        workers: threads; decoding frees the interpreter.
        progress: told from this thread how many files are done, and of how many.

    Returns:
        At most one problem for each file, in the files' order; its ``where`` is the file.

    Raises:
        InputError: a video must be opened, and PyAV is absent.
    """
    sound = _read_cache(cache)
    states: dict[str, tuple[int, int]] = {}
    problems: dict[str, Problem] = {}
    names = list(dict.fromkeys(map(str, paths)))
    for name in names:
        try:
            status = Path(name).stat()
        except OSError as error:
            reason = "the video is missing" if isinstance(error, FileNotFoundError) else f"no video: {error.strerror}"
            problems[name] = Problem(reason, where=name, hint="data.video_root says where the videos lie")
            continue
        except ValueError as error:  # a NUL in the name
            problems[name] = Problem(f"no video: {error}", where=repr(name))
            continue
        states[name] = (status.st_size, status.st_mtime_ns)
        if not status.st_size:
            problems[name] = Problem("the video is empty (0 bytes)", where=name, hint=MEND)
    todo = [name for name in states if name not in problems and sound.get(name) != states[name]]
    if todo:
        _need_av()
        done = len(names) - len(todo)
        pool = ThreadPoolExecutor(max_workers=max(1, workers))
        try:
            probes = {pool.submit(_probe, name): name for name in todo}
            for probe in as_completed(probes):
                name, damage = probes[probe], probe.result()
                if damage is None:
                    sound[name] = states[name]
                else:
                    problems[name] = Problem(damage, where=name, hint=MEND)
                done += 1
                if progress:
                    progress(done, len(names))
        finally:
            # an interrupt keeps what was found so far
            pool.shutdown(cancel_futures=True)
            if cache is not None:
                atomic_write(cache, json.dumps({"version": VERSION, "sound": sound}, ensure_ascii=True))
    return [problems[name] for name in names if name in problems]


def _read_cache(cache: Path | None) -> dict[str, tuple[int, int]]:
    """The cache's content; a damaged or older one is as good as none."""
    if cache is None:
        return {}
    try:
        content = json.loads(cache.read_bytes())
        if content["version"] != VERSION:
            return {}
        return {str(name): (int(size), int(time)) for name, (size, time) in content["sound"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _need_av() -> None:
    try:
        import av  # noqa: F401
    except ImportError as error:
        hint = "run `make install`, or pip install -e '.[video]' in the checkout"
        raise InputError("checking videos needs PyAV, which is not installed", hint=hint) from error


def _probe(name: str) -> str | None:
    """Why a video's first frame cannot be decoded, or that the file ends too early; ``None`` where it is sound."""
    import av

    try:
        with av.open(name) as container:
            if not container.streams.video:
                return "no video stream in the file"
            stream = container.streams.video[0]
            # an index in front (mp4 for streaming) names frames that a cut file no longer has
            end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
            if end > container.size:
                return f"the video is cut off: its index goes to byte {end:,}, the file has {container.size:,}"
            stream.codec_context.thread_count = 1  # the pool is parallel already
            if next(container.decode(stream), None) is None:
                return "no frame in the video"
    except Exception as error:  # whatever the decoder makes of a damaged file is a finding, not a crash
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"the video cannot be decoded: {reason}"
    return None
