from __future__ import annotations

import errno
import gzip
import io
import json
import os
import shutil
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.data import archives
from orchestrator.data.archives import ensure_videos, unpack, video_archive
from orchestrator.errors import InputError, OrchestratorError

CLIENT = tasks()["AnnoMi-client"]


def member(name: str, content: bytes = b"clip", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[str, ...]:
    return (name, content, kind, link)  # type: ignore[return-value]


def pack(path: Path, *members: tuple[str, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, 0o4777  # type: ignore[assignment]
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)  # type: ignore[arg-type]
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != archives.STAMP)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (["a.mp4", "b.mp4"], ["a.mp4", "b.mp4"]),
        (["./video/a.mp4", "./video/b.mp4"], ["a.mp4", "b.mp4"]),
        (["MELD/video/a.mp4", "MELD/video/._a.mp4", "__MACOSX/a.mp4"], ["a.mp4"]),
        (["v/train/a.mp4", "v/test/a.mp4"], ["test", "test/a.mp4", "train", "train/a.mp4"]),
    ],
)
def test_unpacks_below_what_is_common(tmp_path: Path, held: list[str], expected: list[str]) -> None:
    pack(tmp_path / "x_video.tar.gz", member("video", kind=tarfile.DIRTYPE), *map(member, held))
    target = unpack(tmp_path / "x_video.tar.gz", tmp_path / "video")
    assert names(target) == expected
    assert not any(path.stat().st_mode & 0o4111 for path in target.rglob("*") if path.is_file())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".video.lock", "video", "x_video.tar.gz"]


def test_once_and_again_when_the_archive_changes(tmp_path: Path) -> None:
    archive = pack(tmp_path / "AnnoMi-client" / "AnnoMI-client_video.tar.gz", member("v/a.mp4"))
    assert video_archive(CLIENT, tmp_path) == archive
    assert ensure_videos(tasks()["MELD"], tmp_path) is None
    seen: list[tuple[int, int]] = []
    target = ensure_videos(CLIENT, tmp_path, lambda done, total: seen.append((done, total)))
    assert target == tmp_path / "AnnoMi-client" / "video"
    assert seen[-1] == (archive.stat().st_size,) * 2
    assert ensure_videos(CLIENT, tmp_path, lambda *at: pytest.fail("unpacked again")) == target
    pack(archive, member("v/b.mp4", bytes(range(256))))
    ensure_videos(CLIENT, tmp_path)
    assert names(target) == ["b.mp4"]
    assert json.loads((target / archives.STAMP).read_text())["files"] == 1


def test_deleted_clips_are_put_back_and_nothing_else_is_touched(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x_video.tar.gz", *map(member, ("v/a.mp4", "v/b.mp4", "v/more/c.mp4")))
    target = unpack(archive, tmp_path / "video")
    (target / "a.mp4").write_bytes(b"mended")
    (target / "b.mp4").unlink()
    shutil.rmtree(target / "more")
    assert unpack(archive, target) == target
    assert names(target) == ["a.mp4", "b.mp4", "more", "more/c.mp4"]
    assert (target / "a.mp4").read_bytes() == b"mended"
    assert (target / "b.mp4").read_bytes() == b"clip"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".video.lock", "video", "x_video.tar.gz"]
    unpack(archive, target, lambda *at: pytest.fail("unpacked again"))


def test_a_folder_of_the_user_is_left_alone(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x_video.tar.gz", member("a.mp4"))
    (tmp_path / "video").mkdir()
    unpack(archive, tmp_path / "video")
    assert names(tmp_path / "video") == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../a.mp4"), "leads out of the folder"),
        (member("v/../../a.mp4"), "leads out of the folder"),
        (member("/etc/a.mp4"), "leads out of the folder"),
        (member("..\\a.mp4"), "leads out of the folder"),
        (member("a.mp4", kind=tarfile.SYMTYPE, link="/etc/passwd"), "a link"),
        (member("a.mp4", kind=tarfile.LNKTYPE, link="../x"), "a link"),
        (member("a.mp4", kind=tarfile.CHRTYPE), "neither a file nor a folder"),
        (member("a.mp4", kind=tarfile.FIFOTYPE), "neither a file nor a folder"),
        (member("good.mp4"), "twice"),
        (member("big.mp4", bytes(5000)), "no archive of videos"),
    ],
)
def test_nothing_of_a_bad_archive_is_kept(
    tmp_path: Path, bad: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "GROWTH_FREE", 1000)
    archive = pack(tmp_path / "d" / "x_video.tar.gz", member("good.mp4"), bad)
    with pytest.raises(InputError, match=message):
        unpack(archive, tmp_path / "d" / "video")
    assert names(tmp_path) == ["d", "d/.video.lock", "d/x_video.tar.gz"]


def test_damaged_archives(tmp_path: Path) -> None:
    good = pack(tmp_path / "x_video.tar.gz", *(member(f"{at}.mp4", bytes([at]) * 3000) for at in range(5)))
    content = good.read_bytes()
    plain = gzip.decompress(content)
    flipped = bytearray(content)
    flipped[-6] ^= 1  # the checksum
    cut = [content[:at] for at in range(0, len(content), 7)]
    for bad in [*cut, bytes(flipped), b"no archive", gzip.compress(plain[:-8000]), gzip.compress(b"")]:
        good.write_bytes(bad)
        with pytest.raises(InputError) as raised:
            unpack(good, tmp_path / "video")
        assert str(good) in str(raised.value)
        assert not (tmp_path / "video").exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "x_video.tar.gz", member("a.mp4"))
    (tmp_path / ".video.partial" / "junk").mkdir(parents=True)
    unpack(archive, tmp_path / "video")
    assert names(tmp_path / "video") == ["a.mp4"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    shutil.rmtree(tmp_path / "video")
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OrchestratorError, match="No space left"):
        unpack(archive, tmp_path / "video")
    assert not (tmp_path / ".video.partial").exists()


def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "x_video.tar.gz", member("a.mp4"))
    (tmp_path / "own").mkdir()
    unpack(archive, tmp_path / "video")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(archives, "waiting_lock", refuse)
    assert unpack(archive, tmp_path / "video") == tmp_path / "video", "ready: there is nothing to write"
    assert unpack(archive, tmp_path / "own") == tmp_path / "own"
    with pytest.raises(InputError, match="cannot be unpacked there: Read-only file system\n    unpack it elsewhere"):
        unpack(archive, tmp_path / "other")


def test_two_at_one_archive_unpack_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = pack(tmp_path / "x_video.tar.gz", member("a.mp4"))
    begun, go_on, really = threading.Event(), threading.Event(), archives._extract
    done: list[list[str]] = []

    def slow(*given: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        done.append(["unpacked"])
        return really(*given)

    monkeypatch.setattr(archives, "_extract", slow)
    threads = [threading.Thread(target=unpack, args=(archive, tmp_path / "video")) for _ in range(2)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    said = ""
    for _ in range(500):
        said += capsys.readouterr().err
        if said:
            break
        threads[1].join(0.02)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert said == f"waiting for another process that unpacks {archive}\n"
    assert len(done) == 1
    assert names(tmp_path / "video") == ["a.mp4"]
