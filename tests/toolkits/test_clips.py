"""What the toolkits' own readers make of clips, read back from the pixels: of a sound clip, or of the copy of another,
each is given the frames that are shown, evenly spaced and upright.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data.clips.copies import Copies
from orchestrator.data.repair import repair_videos
from orchestrator.environments.environment import Environment
from orchestrator.inside.reading import GIVEN
from tests.clips import number_of, white_corner, write_coded, write_cut, write_turned
from tests.data.clips.test_verdict import REPAIRABLE, SOUND
from tests.shared import ROOT
from tests.toolkits.conftest import ready
from tests.toolkits.inside import HERE, argv_of

pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")
pytestmark = pytest.mark.toolkit

FRAMES = 8
# by reader, its toolkit
READERS = {
    "llamafactory": "llamafactory",
    "llava_next": "llava_next",
    "videollama2": "videollama2",
    "swift": "swift",
    "qwen_in_swift": "swift",
    "openai_api": "openai_api",
}
# where it takes the middles of equal parts, and not the first and the last frame
MIDDLES = ("videollama2", "swift")
# which frames a clip shows, one at each tick of its clock, where that is not each of 50 once
SHOWN = {
    "single.mp4": [0],
    "before_zero.mp4": list(range(10, 50)),
    "cut.mp4": list(range(30, 50)),
    "cut.mov": list(range(30, 50)),
    "varies.mp4": [*range(25), *(at for at in range(25, 49) for _ in range(5)), 49],
    "slow.mp4": [at for at in range(6) for _ in range(5)],
    "short.mp4": list(range(4)),
}
CORNERS = {"turned.mp4": "bottom left", "mirrored.mp4": "top right"}


def read(name: str, clips: list[str], **more: str) -> dict[str, Any]:
    """What a reader gives of clips, in its toolkit's environment."""
    environment: Environment = ready(READERS[name])
    argv = argv_of(environment.python, HERE / "inside_clips.py", name, FRAMES, *clips)
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | more
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, errors="replace", timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {clip: one if isinstance(one, str) or isinstance(one[0], list) else sent(one) for clip, one in found.items()}


def sent(urls: list[str]) -> list[Any]:
    """As `inside_clips.seen`, of pictures as they are sent to a server."""
    import av

    pictures = []
    for url in urls:
        with av.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as container:
            pictures += [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [list(map(number_of, pictures)), sorted(set(map(white_corner, pictures)))]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By name, the path that a toolkit is given of each clip."""
    folder = tmp_path_factory.mktemp("clips")
    for name, options in SOUND.items():
        write_coded(folder / name, **options)
    for name, (options, _) in REPAIRABLE.items():
        write_coded(folder / name, **options)
    whole = write_coded(folder / "whole.mp4", options={"x264-params": "keyint=20:min-keyint=20:scenecut=0"})
    for suffix in ("mp4", "mov"):
        write_cut(whole, folder / f"cut.{suffix}", 1.2)
    write_turned(whole, folder / "turned.mp4", 90)
    write_turned(whole, folder / "mirrored.mp4", 0, mirrored=True)
    names = sorted(path.name for path in folder.iterdir())
    done = repair_videos([str(folder / name) for name in names])
    assert done.problems == []
    repaired = {Path(one.clip).name for one in done.repaired}
    assert repaired == REPAIRABLE.keys() | {"cut.mp4", "cut.mov", *CORNERS}
    return {name: Copies().shown(str(folder / name)) for name in names}


def places(reader: str, total: int) -> list[float]:
    """Which frames of so many are evenly spaced, as a reader spaces them."""
    if reader in MIDDLES:
        return [(number + 0.5) * (total - 1) / FRAMES for number in range(FRAMES)]
    return [number * (total - 1) / (FRAMES - 1) for number in range(FRAMES)]


@pytest.mark.parametrize("reader", READERS)
def test_every_toolkit_is_given_what_is_shown(clips: dict[str, str], reader: str) -> None:
    found = read(reader, list(clips.values()))
    for name, path in clips.items():
        shown = SHOWN.get(name, list(range(50)))
        if len(shown) < FRAMES:
            if not (reader == "qwen_in_swift" and isinstance(found[path], str)):  # which refuses so few
                assert set(found[path][0]) <= {*shown}, name
            continue
        assert not isinstance(found[path], str), (name, found[path])
        numbers, corners = found[path]
        assert len(numbers) == FRAMES, name
        for number, place in zip(numbers, places(reader, len(shown)), strict=True):
            near = shown[max(0, int(place) - 1) : int(place) + 3]
            assert number in near, (name, numbers)
        assert corners == [CORNERS.get(name, "top left")], name


@pytest.mark.parametrize("reader", READERS)
def test_a_clip_that_hangs_a_reader_is_named(tmp_path: Path, reader: str) -> None:
    hangs, sound = tmp_path / "hangs.mp4", write_coded(tmp_path / "sound.mp4")
    os.mkfifo(hangs)  # whoever opens it waits for ever
    begun = time.monotonic()
    found = read(reader, [str(hangs), str(sound)], **{GIVEN: "3"})
    assert time.monotonic() - begun < 120
    assert str(hangs) in found[str(hangs)], "the error names it"
    assert found[str(sound)][0], "others are read"


@pytest.mark.parametrize("reader", READERS)
def test_a_clip_that_cannot_be_read_is_named(tmp_path: Path, reader: str) -> None:
    damaged = write_coded(tmp_path / "damaged.mp4")
    damaged.write_bytes(damaged.read_bytes()[:500])
    found = read(reader, [str(damaged)])
    assert str(damaged) in found[str(damaged)]
