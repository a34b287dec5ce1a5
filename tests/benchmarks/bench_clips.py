"""What it costs to look at clips, first and remembered, and to repair them: of time, of processors, of memory.

python -m tests.benchmarks.bench_clips [COUNT]     # clips like those of a dialogue: 3 s of 720p in H.264, with sound

Some clips are generated, all others are copies of these: they are decoded as any other.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from orchestrator.data.repair import repair_videos
from orchestrator.data.videos import check_videos, cores

DIFFERENT, FRAMES, RATE, SIZE = 8, 75, 25, (1280, 720)
OF_THE_BENCHMARK = 24_000


def moving(seed: int) -> Iterator[Any]:
    """Pictures (height, width, 3) in which blurred patches and grain move, about as hard to encode as people are."""
    width, height = SIZE
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (height // 40, width // 40, 3), dtype=np.uint8)
    patches = coarse.repeat(40, axis=0).repeat(40, axis=1)
    for at in range(FRAMES):
        grain = random.integers(0, 12, (height, width, 1), dtype=np.uint8)
        yield np.ascontiguousarray(np.roll(patches, (at, 3 * at), axis=(0, 1)) // 2 + 60 + grain)


def write_clip(path: Path, seed: int) -> Path:
    """One clip."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        for at, picture in enumerate(moving(seed)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for at in range(47):
            wave = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            wave.sample_rate, wave.pts = 16_000, at * 1024
            container.mux(sound.encode(wave))
        container.mux(sound.encode())
    return path


def remuxed(clip: Path, path: Path) -> Path:
    """A clip in another container, to be repaired."""
    import av

    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


def measured(what: str, count: int, work: Callable[[], object]) -> float:
    """Do it, print what it took; returns the seconds of a processor for each clip."""
    most, done = [0.0, 0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            with contextlib.suppress(psutil.Error):
                this = psutil.Process()
                used = [max((one.memory_info().rss for one in kind), default=0) for kind in ([this], this.children())]
                most[:] = [max(pair) for pair in zip(most, (size / 1e6 for size in used), strict=True)]

    watcher = threading.Thread(target=watch)
    watcher.start()
    before, begun = _processor(), time.perf_counter()
    work()
    seconds, spent = time.perf_counter() - begun, _processor() - before
    done.set()
    watcher.join()
    print(
        f"{what}: {count:,} clips in {seconds:.2f} s on {cores()} cores, {1000 * spent / count:.1f} ms of a processor "
        f"each; memory at most {most[0]:.0f} MB, and {most[1]:.0f} MB in a process that decodes",
        flush=True,
    )
    return spent / count


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(count: int) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = [write_clip(folder / f"{seed}.mp4", seed) for seed in range(min(DIFFERENT, count))]
        clips = [*first]
        for number in range(len(first), count):
            clips.append(Path(shutil.copy(first[number % len(first)], folder / f"{number}.mp4")))
        size = sum(clip.stat().st_size for clip in first) / len(first) / 1e6
        print(f"{count:,} clips of {FRAMES / RATE:.0f} s, {SIZE[0]} x {SIZE[1]}, {size:.2f} MB each", flush=True)
        cache = folder / "cache" / "videos.json"
        found: list[object] = []
        each = measured("looked at", count, lambda: found.extend(check_videos(clips, cache)))
        measured("remembered", count, lambda: found.extend(check_videos(clips, cache)))
        assert found == []
        for number in (2, 16):
            print(f"{OF_THE_BENCHMARK:,} such clips on {number} cores: {OF_THE_BENCHMARK * each / number / 60:.0f} min")
        others = [str(remuxed(clips[number], folder / f"{number}.mkv")) for number in range(min(40, count))]
        measured("looked at and repaired", len(others), lambda: repair_videos(others, cache))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
