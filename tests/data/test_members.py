"""What archives of strangers try, member by member."""

from __future__ import annotations

import gzip
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.data import archives, members
from orchestrator.data.archives import unpack
from orchestrator.errors import InputError

END = bytes(1024)


def head(name: str, size: int = 4, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def clip(name: str) -> bytes:
    return head(name) + b"clip".ljust(512, b"\0")


def deep(kind: bytes) -> bytes:
    """1,200 folders, whose path takes a header of its own."""
    info = tarfile.TarInfo("/".join(["d"] * 1200) + "/a.mp4")
    info.type = kind
    return info.tobuf(tarfile.PAX_FORMAT)


def less_than_nothing() -> bytes:
    """A size below zero, as base-256 numbers can be."""
    block = bytearray(head("a"))
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(kind: bytes, size: int) -> bytes:
    return head("x", size, kind) + f"{size} comment=".encode().ljust(size, b"x").ljust(-(-size // 512) * 512, b"\0")


HEADERS = [
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
]
ATTACKS = {
    **{
        f"a header of 2.5 GB ({kind!r})": (head("x", 2_500_000_000, kind), r"headers of 2,500,000,000 bytes")
        for kind in HEADERS
    },
    "global headers that add up": (
        b"".join(pax(tarfile.XGLTYPE, 1 << 19) + clip(f"b{at}") for at in range(3)),
        r"headers of 1,572,864 bytes",
    ),
    "headers of headers": (pax(tarfile.XHDTYPE, 512) * 3000, "headers of headers without end"),
    "names of names": ((head("l", 5, tarfile.GNUTYPE_LONGNAME) + b"name".ljust(512, b"\0")) * 3000, "without end"),
    "1,200 folders": (deep(tarfile.REGTYPE), "nested too deep"),
    "1,200 folders without a file": (deep(tarfile.DIRTYPE), "nested too deep"),
    "a size below zero": (less_than_nothing(), "less than nothing"),
    "a terabyte of holes": (head("s", 1 << 40, tarfile.GNUTYPE_SPARSE), "a file with holes|damaged|cannot be unpacked"),
    "one file on a disk without case": (clip("A.mp4"), "holds `a.mp4` and `A.mp4`, which are one file on some disks"),
    "a folder where a file is": (clip("a.mp4/b"), "holds `a.mp4/b` where there is a file or a folder already"),
    "a file where a folder is": (clip("b/c.mp4") + clip("b"), "holds `b` where there is a file or a folder already"),
    "escapes in a name": (clip("\x1b]0;mine\x07.mp4"), r"holds `<U\+001B>\]0;mine<U\+0007>.mp4`, a name with"),
    "a name that reads backwards": (clip("a\u202e4pm.exe"), r"holds `a<U\+202E>4pm.exe`, a name with"),
    "no name": (clip("."), "a file without a name"),
}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "x_video.tar.gz"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".video.lock", "x_video.tar.gz"], "nothing is kept"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_before_it_takes_memory(archive: Path, name: str) -> None:
    attack, message = ATTACKS[name]
    archive.write_bytes(gzip.compress(clip("a.mp4") + attack + clip("z.mp4") + END))
    tracemalloc.start()
    with pytest.raises(InputError, match=message) as raised:
        unpack(archive, archive.with_name("video"))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(raised.value).startswith(f"{archive}: ")
    assert most < 40_000_000


def test_zeros_behind_the_end_are_no_archive(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "GROWTH_FREE", 0)
    monkeypatch.setattr(archives, "MOST_OVERHEAD", 1 << 20)
    archive.write_bytes(gzip.compress(clip("a.mp4") + END + bytes(1 << 22)))
    with pytest.raises(InputError, match="is not as large as what it comes to"):
        unpack(archive, archive.with_name("video"))


def test_so_many_files_and_no_more(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MOST_FILES", 3)
    archive.write_bytes(gzip.compress(b"".join(clip(f"{at}.mp4") for at in range(5)) + END))
    with pytest.raises(InputError, match="holds more than 3 files"):
        unpack(archive, archive.with_name("video"))


def test_long_names_that_are_no_attack(tmp_path: Path) -> None:
    name = "/".join(["folder"] * 20) + f"/{'é' * 120}.mp4"
    with tarfile.open(tmp_path / "x_video.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for path in (name, "top.mp4"):
            tar.addfile(tarfile.TarInfo(path))
    target = unpack(tmp_path / "x_video.tar.gz", tmp_path / "video")
    assert (target / name).is_file()
