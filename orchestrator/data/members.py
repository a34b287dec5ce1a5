"""What an archive of videos may hold: nothing of its headers is trusted, nor read before it is known to be small."""

from __future__ import annotations

import tarfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from orchestrator.errors import InputError, obeyed, short

MOST_FILES = 1_000_000
MOST_DEPTH = 32  # folders around a file: more than that, and a path is longer than file systems take
MOST_NAME, MOST_PATH = 255, 1024  # bytes
MOST_HEADER = 1 << 20  # bytes of what stands before a member: its long name, its pax records
MOST_HEADERS = 1 << 28  # of all of them
MOST_ROW = 8  # headers before a member
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


def refused(archive: Path, message: str) -> InputError:
    """The error of an archive that is not unpacked."""
    hint = "nothing of it was kept; unpack it by hand into a folder `video` beside it if you trust it"
    return InputError(message, str(archive), hint)


def members_of(archive: Path, stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, PurePosixPath]]:
    """The files of a tar, each with its path, if all of them may be unpacked; those that a Mac adds are left out.

    Raises:
        InputError: it holds something else than files and folders beneath where it is unpacked.
        tarfile.TarError: it is damaged.
    """
    taken = _Taken(archive)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_careful(archive)) as tar:
        for count, member in enumerate(_each(tar)):
            if count > MOST_FILES:
                raise refused(archive, f"holds more than {MOST_FILES:,} files")
            path = _inside(archive, member)
            if member.isdir() or path.name.startswith("._") or "__MACOSX" in path.parts:
                continue
            taken.take(path)
            yield tar, member, path


def _each(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # it keeps them all, for whoever wants to go back
        yield member


def _careful(archive: Path) -> type[tarfile.TarInfo]:
    """A class of members which refuses headers that are not small before they are read, and sizes below nothing."""
    read = kept = row = 0

    class Careful(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Careful:
            nonlocal read, kept, row
            found = super().frombuf(buf, encoding, errors)
            if found.size < 0:
                raise refused(archive, "has a member of less than nothing")
            row = row + 1 if found.type in _HEADERS else 0
            if row > MOST_ROW:
                raise refused(archive, "has headers of headers without end")
            if row:
                read, kept = read + found.size, kept + found.size * (found.type == tarfile.XGLTYPE)
                if found.size > MOST_HEADER or kept > MOST_HEADER or read > MOST_HEADERS:
                    size = max(found.size, kept if kept > MOST_HEADER else read)
                    raise refused(archive, f"has headers of {size:,} bytes: no archive of videos has")
            return found

    return Careful


def _inside(archive: Path, member: tarfile.TarInfo) -> PurePosixPath:
    """A member's path, if it is a file or a folder that stays beneath where the archive is unpacked."""
    name = member.name
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise refused(archive, f"holds `{short(name)}`, which leads out of the folder")
    if not path.name and not member.isdir():
        raise refused(archive, "holds a file without a name")
    if obeyed(name) or "\n" in name or "\t" in name:
        raise refused(archive, f"holds `{short(name)}`, a name with characters that cannot be seen")
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in path.parts]
    if len(sizes) > MOST_DEPTH + 1 or sum(sizes) + len(sizes) > MOST_PATH or max(sizes, default=0) > MOST_NAME:
        raise refused(archive, f"holds `{short(name)}`, which is nested too deep or has too long a name")
    if not member.isreg() and not member.isdir():
        kind = "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
        raise refused(archive, f"holds `{short(name)}`, {kind}")
    if member.issparse() or member.size < 0:
        raise refused(archive, f"holds `{short(name)}`, a file with holes")
    return path


class _Taken:
    """The places that an archive's files have taken, as file systems see them that know no case."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._files: dict[str, PurePosixPath] = {}
        self._folders: set[str] = set()

    def take(self, path: PurePosixPath) -> None:
        """Note a file.

        Raises:
            InputError: there is another, or a folder, of that name; or a file where its folder is to be.
        """
        name, folders = _folded(path), [_folded(folder) for folder in path.parents[:-1]]
        if (other := self._files.get(name)) is not None:
            what = f"`{path}` twice" if other == path else f"`{other}` and `{path}`, which are one file on some disks"
            raise refused(self._archive, f"holds {what}")
        if name in self._folders or any(folder in self._files for folder in folders):
            raise refused(self._archive, f"holds `{path}` where there is a file or a folder already")
        self._files[name] = path
        self._folders.update(folders)


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()
