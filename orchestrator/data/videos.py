"""Are the videos there, and can they be decoded? Asked before a GPU is: toolkits swap a bad video silently."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.machine.files import atomic_write
from orchestrator.machine.locks import updating
from orchestrator.machine.meter import Count
from orchestrator.machine.optional import is_memory, optional

OUT_OF = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # memory, open files
VERSION = 4  # of the cache: raised where what counts as sound changes
SLACK = 2  # frames that some formats announce and do not mean to show
SLACK_SECONDS = 0.5
TIMED = ("matroska", "flv")  # formats whose header has no count of frames, but a length
RECODE = "a toolkit that goes by the header takes other frames, or fewer: encode it anew, ffmpeg -i IN -c:v libx264 OUT"
MEND = "delete it and run `data download` or `data check --videos` again, which unpack it from its archive, or mend it"


def check_videos(
    paths: Iterable[str | Path],
    cache: Path | None = None,
    workers: int = 4,
    progress: Count | None = None,
    odd: list[Problem] | None = None,
) -> list[Problem]:
    """All that is wrong with some video files: missing, empty, cut off, or a frame that cannot be decoded.

    Args:
        paths: the files; the same one twice is looked at once.
        cache: a JSON file that remembers sound videos by path, size and time of change (never unsound ones: those may
            be mended by another build of the decoder).
        workers: threads; decoding frees the interpreter.
        progress: told from this thread how many files are done, and of how many.
        odd: takes what is odd about sound files: frames that are announced and not shown.

    Returns:
        At most one problem for each file, in the files' order; its ``where`` is the file.

    Raises:
        InputError: a video must be opened, and PyAV is absent.
        OSError: memory, or what else a process may have of the machine, ran out; MemoryError likewise.
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
    todo = [name for name in states if name not in problems and sound.get(name, (0, 0, ""))[:2] != states[name]]
    if todo:
        _need_av()
        done = len(names) - len(todo)
        fresh: dict[str, tuple[int, int, str]] = {}
        pool = ThreadPoolExecutor(max_workers=max(1, workers))
        try:
            probes = {pool.submit(_probe, name): name for name in todo}
            for probe in as_completed(probes):
                name, (damage, oddity) = probes[probe], probe.result()
                if not damage:
                    fresh[name] = (*states[name], oddity)
                else:
                    problems[name] = Problem(damage, where=name, hint=MEND)
                done += 1
                if progress:
                    progress(done, len(names))
        finally:
            # an interrupt keeps what was found so far
            pool.shutdown(cancel_futures=True)
            sound |= fresh
            if cache is not None:
                _remember(fresh, cache)
    if odd is not None:
        told = ((name, sound[name][2]) for name in states if name not in problems)
        odd += [Problem(oddity, name, RECODE) for name, oddity in told if oddity]
    return [problems[name] for name in names if name in problems]


def _read_cache(cache: Path | None) -> dict[str, tuple[int, int, str]]:
    """The cache's content; a damaged or older one is as good as none."""
    if cache is None:
        return {}
    try:
        content = json.loads(cache.read_bytes())
        if content["version"] != VERSION:
            return {}
        return {str(name): (int(size), int(time), str(odd)) for name, (size, time, odd) in content["sound"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _remember(fresh: dict[str, tuple[int, int, str]], cache: Path) -> None:
    """Add sound videos to the cache, to which others add theirs at the same time."""
    with contextlib.suppress(OSError), updating(cache):  # a runs folder that is read only: they are looked at again
        content = {"version": VERSION, "sound": _read_cache(cache) | fresh}
        atomic_write(cache, json.dumps(content, ensure_ascii=True))


def _need_av() -> None:
    optional("av", "checking videos needs PyAV", "video")


def _probe(name: str) -> tuple[str, str]:
    """What is wrong with a video, and what is odd about one that is sound; empty where nothing is.

    Every frame is decoded, as the toolkits take theirs from all over a clip: a second of a processor for ten of a clip.
    """
    import av

    shown, packets, last, reach = 0, 0, 0.0, 0.0
    try:
        with av.open(name) as container:
            if not container.streams.video:
                return "no video stream in the file", ""
            stream = container.streams.video[0]
            # an index in front (mp4 for streaming) names frames that a cut file no longer has
            end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
            if end > container.size:
                return f"the video is cut off: its index goes to byte {end:,}, the file has {container.size:,}", ""
            stream.codec_context.thread_count = 1  # the pool is parallel already
            announced = stream.frames  # 0 in formats whose header has no count
            rate = float(stream.average_rate or 0)
            length = 1 / rate if rate else 0.0  # of a frame, in seconds
            timed = any(name in container.format.name for name in TIMED)
            seconds = (container.duration or 0) / 1e6 if timed else 0.0
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    return f"the video is cut off or damaged behind frame {shown:,}{_of(announced)}", ""
                packets += bool(packet.size)
                if packet.dts is not None and packet.time_base:
                    reach = max(reach, float(packet.dts * packet.time_base) + length)
                for frame in packet.decode():
                    shown, last = shown + 1, max(last, (frame.time or 0.0) + length)
    except Exception as error:  # whatever the decoder makes of a damaged file is a finding, not a crash
        if is_memory(error) or getattr(error, "errno", None) in OUT_OF:
            raise  # that says nothing about the video
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if shown:
            return f"the video is damaged: decoding stops behind frame {shown:,}{_of(announced)}: {reason}", ""
        return f"the video cannot be decoded: {reason}", ""
    if not shown:
        return "no frame in the video", ""
    # an AVI also counts the frames that were dropped when it was recorded, of which it holds none
    if packets < announced - SLACK and reach * rate < announced - SLACK:
        return f"the video is cut off: it announces {announced:,} frames and holds {packets:,}", ""
    if shown < announced - SLACK:
        return "", f"it announces {announced:,} frames and shows {shown:,}"
    # sound may go on for a moment longer
    if seconds and last < seconds - SLACK_SECONDS:
        return "", f"it announces {seconds:.1f} s, and its last frame ends at {last:.1f} s"
    return "", ""


def _of(announced: int) -> str:
    return f" of {announced:,}" if announced else ""
