"""The published videos come as ``<dataset>/<NAME>_video.tar.gz``: unpacked once, and nothing that they hold is trusted.

An archive is data from elsewhere: a member that is a link or a device, or that would land outside the folder, refuses
the whole archive. It is unpacked into a folder beside the target, which is renamed when all is there, so that a
``video`` folder is a complete one; its stamp file says which archive it came from.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from orchestrator.benchmark.task import Task
from orchestrator.data.clips.copies import FOLDER as COPIES
from orchestrator.data.members import members_of, refused
from orchestrator.errors import InputError, OrchestratorError
from orchestrator.machine.files import read_json, write_json
from orchestrator.machine.locks import waiting_lock
from orchestrator.machine.meter import Count

STAMP = ".unpacked.json"
# videos are compressed already: an archive that grows more than this is no archive of videos
MOST_GROWTH, GROWTH_FREE = 4, 1 << 30
MOST_OVERHEAD = 2 << 30  # of headers, and of what fills members up to blocks
KEPT_FREE = 1 << 28  # bytes of the disk that are left to others
_CHUNK = 1 << 20
_NAME = re.compile(r".+_videos?\.(?:tar\.gz|tgz)", re.IGNORECASE)


def video_archive(task: Task, root: Path) -> Path | None:
    """The archive with a task's videos, in the first of its folders that holds one; ``None`` where there is none.

    Any ``*_video.tar.gz``: the published names differ from their folders' in letter case (AnnoMI-client).
    """
    for folder in task.folders:
        with contextlib.suppress(OSError):
            names = [path for path in sorted((root / folder).iterdir()) if _NAME.fullmatch(path.name)]
            if names:
                return names[0]
    return None


def ensure_videos(task: Task, root: Path, progress: Count | None = None) -> Path | None:
    """Unpack a task's archive into ``<folder>/video``, unless that is done; the folder, or ``None`` without archive.

    A ``video`` folder that was not made here is the user's own, and left as it is. ``progress`` is told the bytes of
    the archive.

    Raises:
        InputError: the archive is damaged or not safe to unpack.
        OrchestratorError: writing failed.
    """
    archive = video_archive(task, root)
    return unpack(archive, archive.parent / "video", progress) if archive else None


def unpack(archive: Path, target: Path, progress: Count | None = None) -> Path:
    """Unpack an archive into a folder, once; what all its files have for a parent folder in common is left out.

    Done already, by the stamp in the folder (the archive's name and size): returns at once, unless there are fewer
    files than were unpacked. Then those that are missing are put back, and what else lies there (a mended clip) stays.
    Two processes at the same archive wait for each other; what a killed one left is removed.

    Args:
        archive: a tar file, packed by gzip.
        target: the folder to make.
        progress: told how many bytes of the archive were read, and its size.

    Returns:
        ``target``.

    Raises:
        InputError: the archive is damaged, holds what it must not, or would grow beyond reason or the disk.
        OrchestratorError: writing failed.
    """
    partial = target.with_name(f".{target.name}.partial")
    size = archive.stat().st_size
    stamp = {"archive": archive.name, "bytes": size}
    if _is_ready(target, stamp):
        return target  # also where nothing can be written
    with contextlib.ExitStack() as locks:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            waiting = f"waiting for another process that unpacks {archive}"
            locks.enter_context(waiting_lock(target.with_name(f".{target.name}.lock"), waiting))
        except OSError as error:
            hint = "unpack it elsewhere and say so with data.video_root, or work on a copy of the data"
            raise InputError(f"cannot be unpacked there: {error.strerror}", str(archive), hint) from error
        if _is_ready(target, stamp):
            return target
        same = _made_from(target, stamp)
        shutil.rmtree(partial, ignore_errors=True)
        old = target.with_name(f".{target.name}.old")
        try:
            partial.mkdir(parents=True)
            files = _extract(archive, size, partial, progress)
            content = _below_common(partial, files)
            if same:
                _put_back(content, [partial / path for path in files], target)
                return target
            write_json(content / STAMP, stamp | {"files": len(files)})
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
                target.rename(old)
            content.rename(target)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            hint = "it is damaged or incomplete: download it again (data download goes on where it stopped)"
            raise InputError(f"cannot be unpacked: {error or 'it ends too early'}", str(archive), hint) from error
        except OSError as error:
            if isinstance(error, tarfile.ReadError) or error.errno is None:  # gzip's own errors
                raise InputError(f"cannot be unpacked: {error}", str(archive), "download it again") from error
            raise OrchestratorError(
                f"{archive}: unpacking failed: {error.strerror}\n"
                "    see that the disk has room and can be written, then run the same command again"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    return target


def _made_from(target: Path, stamp: Mapping[str, Any]) -> bool:
    """Whether a folder was unpacked from the archive that a stamp names."""
    have = read_json(target / STAMP)
    return isinstance(have, dict) and {key: have.get(key) for key in stamp} == stamp


def _is_ready(target: Path, stamp: Mapping[str, Any]) -> bool:
    """Whether nothing is to unpack: a folder is complete, or the user's own."""
    have = read_json(target / STAMP)
    own = not isinstance(have, dict)
    return target.exists() and (own or (_made_from(target, stamp) and _count(target) >= have.get("files", 0)))


def _extract(archive: Path, size: int, folder: Path, progress: Count | None) -> list[PurePosixPath]:
    """Write every regular file beneath a folder; their paths in the archive."""
    room, sane = shutil.disk_usage(folder).free - KEPT_FREE, size * MOST_GROWTH + GROWTH_FREE
    allowed, limit = min((room, "the disk has no more room"), (sane, "that is no archive of videos"))
    files: list[PurePosixPath] = []
    written = 0
    with (
        archive.open("rb") as raw,
        # not tarfile's own gzip: it takes a file that was cut between two members for a whole one
        gzip.GzipFile(fileobj=cast("BinaryIO", _Counted(raw, size, progress))) as packed,
    ):
        stream = cast("BinaryIO", _Limited(packed, archive, sane + MOST_OVERHEAD))
        for tar, member, path in members_of(archive, stream):
            written += member.size
            if written > allowed:
                raise refused(archive, f"grows beyond {allowed / 1e9:,.1f} GB: {limit}")
            source = tar.extractfile(member)
            assert source is not None
            destination = folder / path
            destination.parent.mkdir(parents=True, exist_ok=True)
            # the archive's own modes and owners are of no use here, and setuid is of harm
            with destination.open("xb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
            files.append(path)
        while stream.read(_CHUNK):  # up to the checksum
            pass
    if not files:
        raise refused(archive, "holds no files")
    return files


def _below_common(folder: Path, files: list[PurePosixPath]) -> Path:
    """The deepest folder that holds all files: archives differ in how many folders they put around them."""
    common = os.path.commonpath([str(file.parent) for file in files]) if files else ""
    return folder / common


def _count(folder: Path) -> int:
    """How many files there are beneath a folder, without the stamp and repaired copies."""
    return sum(len(names) for path, _, names in os.walk(folder) if not path.endswith(f"{os.sep}{COPIES}")) - 1


def _put_back(content: Path, files: Iterable[Path], target: Path) -> None:
    """Move into a folder those of the files beneath ``content`` that it lacks."""
    for file in files:
        place = target / file.relative_to(content)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, place)  # the folder may be a link to another disk


class _Limited:
    """What an archive comes to, up to a limit: a few megabytes of zeros, packed, are gigabytes."""

    def __init__(self, file: BinaryIO | gzip.GzipFile, archive: Path, most: int):
        self.file, self.archive, self.most = file, archive, most

    def read(self, count: int = -1) -> bytes:
        data = self.file.read(count)
        self.most -= len(data)
        if self.most < 0:
            raise refused(self.archive, "is not as large as what it comes to: that is no archive of videos")
        return data


class _Counted:
    """A file that reports how much of it was read."""

    def __init__(self, file: BinaryIO, size: int, progress: Count | None):
        self.file, self.size, self.progress, self.done = file, size, progress, 0

    def read(self, count: int = -1) -> bytes:
        data = self.file.read(count)
        self.done += len(data)
        if self.progress and data:
            self.progress(self.done, self.size)
        return data
