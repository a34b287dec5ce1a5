from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data import videos
from orchestrator.data.clips import worker
from orchestrator.data.videos import check_videos
from orchestrator.errors import InputError

av = pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")


def make_video(path: Path, frames: int = 3, rate: int = 5, times: Callable[[int], int] = lambda at: at) -> Path:
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for at in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), at * 40 % 255, np.uint8), format="rgb24")
            frame.pts, frame.time_base = times(at), Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_moving(path: Path, codec: str, options: dict[str, str]) -> Path:
    """Three seconds of noise that moves, which no encoder shrinks to nothing."""
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for at in range(75):
            picture = np.ascontiguousarray(np.roll(noise, 3 * at, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def make_audio(path: Path) -> Path:
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_video(tmp_path / "good.mp4")
    content = (tmp_path / "good.mp4").read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a video\n" * 50)
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 3])
    make_audio(tmp_path / "sound.wav")
    (tmp_path / "folder.mp4").mkdir()
    return tmp_path


def test_all_that_is_wrong_in_order(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = ["gone.mp4", "good.mp4", "text.mp4", "empty.mp4", "cut.mp4", "sound.wav", "folder.mp4", "gone.mp4"]
    found = check_videos([folder / name for name in names])
    assert [Path(finding.problem.where).name for finding in found] == [*names[:1], *names[2:7]]
    assert not any(finding.repairable for finding in found)
    messages = [finding.problem.message for finding in found]
    assert messages[0] == "the video is missing"
    assert "cannot be decoded" in messages[1]
    assert "empty" in messages[2]
    assert "cannot be decoded" in messages[3] or "no video stream" in messages[3]  # as the decoder sees it
    assert "no video stream" in messages[4]
    assert "cannot be decoded" in messages[5]
    assert capfd.readouterr().err == ""  # the decoder's own noise would tear the live view
    assert check_videos(["\0"])[0].problem.message.startswith("no video")


def asked_of_decoders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the clips that are looked at from now on, and not remembered."""
    asked: list[str] = []
    really = videos.in_parallel

    def seen(clips: list[dict[str, Any]], *rest: Any) -> None:
        asked.extend(Path(one["clip"]).name for one in clips)
        really(clips, *rest)

    monkeypatch.setattr(videos, "in_parallel", seen)
    return asked


def test_what_was_found_is_remembered_until_a_video_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = folder / "cache" / "videos.json"
    seen: list[tuple[int, int]] = []
    paths = [folder / "good.mp4", folder / "text.mp4"]
    found = check_videos(paths, cache, progress=lambda done, total: seen.append((done, total)))
    assert len(found) == 1
    assert seen == [(1, 2), (2, 2)]
    assert set(json.loads(cache.read_text())["videos"]) == set(map(str, paths))

    asked = asked_of_decoders(monkeypatch)
    assert check_videos(paths, cache) == found
    assert asked == []
    (folder / "good.mp4").write_text("damaged")
    assert len(check_videos(paths, cache)) == 2
    assert asked == ["good.mp4"]
    for content in ('{"videos": [1, 2', "[]", json.dumps({"version": "4", "videos": {}})):
        cache.write_text(content)
        del asked[:]
        assert len(check_videos(paths, cache)) == 2
        assert len(asked) == 2
    # what an older version took for sound, or another PyAV
    content = json.loads(cache.read_text())
    for version in (4, f"{videos.VERSION}, PyAV 1.0"):
        sound = {name: [*known[:2], "", ""] for name, known in content["videos"].items()}
        cache.write_text(json.dumps({"version": version, "videos": sound}))
        assert len(check_videos(paths, cache)) == 2


def test_a_runs_folder_that_cannot_be_written(folder: Path) -> None:
    (folder / "file").touch()
    assert check_videos([folder / "good.mp4"], folder / "file" / "videos.json") == []


FAST = {"movflags": "faststart"}


@pytest.mark.parametrize(
    ("name", "codec", "options", "counted"),
    [
        ("plain.mp4", "libx264", {}, True),
        ("fast.mp4", "libx264", FAST, True),
        ("fast.mov", "mpeg4", FAST, True),
        ("a.avi", "mpeg4", {}, True),
        # whole, these do not say how many frames they hold
        ("fragments.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}, False),
        ("a.mpg", "mpeg2video", {}, False),
        ("a.mkv", "libx264", {}, False),
        ("a.webm", "libvpx", {}, False),
        ("a.flv", "flv", {}, False),
        ("a.ts", "libx264", {}, False),
        ("a.wmv", "wmv2", {}, False),
    ],
)
def test_cut_off(tmp_path: Path, name: str, codec: str, options: dict[str, str], counted: bool) -> None:
    try:
        av.codec.Codec(codec, "w")
    except av.error.UnknownCodecError:
        pytest.skip(f"no encoder {codec}")
    path = make_moving(tmp_path / name, codec, options)
    assert [finding.repairable for finding in check_videos([path])] == ([] if counted else [True])
    content = path.read_bytes()
    for part in (0.5, 0.95):
        path.write_bytes(content[: int(len(content) * part)])
        (finding,) = check_videos([path])
        assert "cut off" in finding.problem.message or "damaged" in finding.problem.message or "cannot" in str(finding)
        assert not finding.repairable
        assert "data check --videos" in finding.problem.hint
        if "fast" in name:
            assert finding.problem.message.startswith("the video is cut off: its index goes to byte ")


def test_damaged_behind_the_first_frame(tmp_path: Path) -> None:
    path = make_moving(tmp_path / "a.mp4", "libx264", {})
    with av.open(str(path)) as container:
        entry = container.streams.video[0].index_entries[30]
    content = bytearray(path.read_bytes())
    content[entry.pos : entry.pos + entry.size] = b"\xff" * entry.size
    path.write_bytes(content)
    (finding,) = check_videos([path])
    assert not finding.repairable
    problem = finding.problem
    assert problem.message.startswith("the video is damaged: decoding stops behind frame ")
    assert " of 75: Invalid data" in problem.message


def test_frames_that_are_announced_and_not_shown(tmp_path: Path) -> None:
    whole, cut, cache = make_moving(tmp_path / "a.mp4", "libx264", {}), tmp_path / "cut.mp4", tmp_path / "c.json"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:  # as `ffmpeg -ss ... -c copy` cuts
        stream = source.streams.video[0]
        copied = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                ticks = int(15 / stream.average_rate / stream.time_base)
                packet.stream, packet.pts, packet.dts = copied, packet.pts - ticks, packet.dts - ticks
                target.mux(packet)
    for _ in range(2):  # also where it is remembered
        (finding,) = check_videos([whole, cut], cache)
        assert (finding.problem.where, finding.repairable) == (str(cut), True)
        assert finding.problem.message.endswith(": it announces 75 frames and shows 60")
        assert "data repair" in finding.problem.hint


def test_frames_that_were_dropped_when_it_was_recorded(tmp_path: Path) -> None:
    """An AVI counts them, and holds none of them."""
    path = make_video(tmp_path / "a.avi", frames=60, times=lambda at: at if at < 30 else at + 20)
    (finding,) = check_videos([path])
    assert finding.repairable
    assert "it announces 80 frames and shows 60" in finding.problem.message


def test_without_pyav(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert len(check_videos([folder / "gone.mp4", folder / "empty.mp4"])) == 2
    with pytest.raises(InputError, match=r"pip install -e '\.\[video\]'"):
        check_videos([folder / "good.mp4"])


def test_pyav_that_cannot_be_loaded_is_not_called_absent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ImportError(f"lib{name}.so: cannot open shared object file")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(InputError, match=r"which cannot be loaded: libav\.so: cannot open shared object file"):
        check_videos([folder / "good.mp4"])


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.EMFILE, "Too many open files"), RuntimeError("can't start new thread")]
)
def test_what_the_machine_lacks_is_no_fault_of_a_video(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> Any:
        raise error

    monkeypatch.setattr(av, "open", refuse)
    found = worker.answer({"clip": str(folder / "good.mp4")})
    assert "damage" not in found
    monkeypatch.setattr("orchestrator.data.clips.pool._Process.ask", lambda *_: found)
    with pytest.raises(OSError if isinstance(error, OSError) else MemoryError):
        check_videos([folder / "good.mp4"])


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_cannot_be_read_now_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object) -> Any:
        raise OSError(number, os.strerror(number))

    clip, cache = folder / "good.mp4", folder / "cache.json"
    with monkeypatch.context() as context:
        context.setattr(av, "open", refuse)
        found = worker.answer({"clip": str(clip), "hear": True})
        context.setattr("orchestrator.data.clips.pool._Process.ask", lambda *_: found)
        (wrong,) = check_videos([clip], cache=cache)
    assert wrong.problem.message == f"the video cannot be read: {os.strerror(number)}"
    assert "make it readable" in wrong.problem.hint
    assert check_videos([clip], cache=cache) == []


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("orchestrator.data.videos.atomic_write", refuse)
    assert check_videos([folder / "good.mp4"], cache=folder / "cache.json") == []


def test_what_others_remember_at_the_same_time_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = folder / "cache.json"
    really, other = videos.in_parallel, folder / "other.mp4"
    shutil.copy(folder / "good.mp4", other)

    def meanwhile(*asked: Any) -> None:
        monkeypatch.setattr(videos, "in_parallel", really)
        assert check_videos([other], cache) == []
        really(*asked)

    monkeypatch.setattr(videos, "in_parallel", meanwhile)
    assert check_videos([folder / "good.mp4"], cache) == []
    assert set(json.loads(cache.read_text())["videos"]) == {str(folder / "good.mp4"), str(other)}
