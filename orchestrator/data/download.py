"""``data download``: the published data sets from the hub, each file whole and of one pinned commit.

huggingface_hub finds the endpoint, the token and the commit, and speaks HTTP. Keeping partial files is done here: from
2.0 on it deletes them when a download stops, and the largest archive has 10.8 GB.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.benchmark.task import Task, benchmark_tasks
from orchestrator.data.archives import KEPT_FREE, ensure_videos
from orchestrator.errors import InputError, OrchestratorError, Problem, did_you_mean
from orchestrator.machine.files import read_json, write_json
from orchestrator.machine.hub import endpoint, errors_explained, hub
from orchestrator.machine.locks import without, work_lock
from orchestrator.machine.meter import meter

REPOSITORY = "THUIAR/MMLA-Datasets"
MANIFEST, LOCK = "manifest.json", ".download.lock"
SPLIT_SUFFIXES = (".tsv", ".csv", ".json", ".jsonl")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Remote:
    """One file of the data set's repository: path, size in bytes, and its hash as git or git-lfs has it."""

    path: str
    size: int
    hash: str  # "sha256:..." of the content, or "git:..." of a blob

    @property
    def dataset(self) -> str:
        """The folder it lies in."""
        return PurePosixPath(self.path).parts[0]

    @property
    def is_archive(self) -> bool:
        """Whether it is no table: the videos."""
        return not self.path.lower().endswith(SPLIT_SUFFIXES)


def download(
    names: Sequence[str], out: Path, revision: str | None = None, *, videos: bool = True, repository: str = REPOSITORY
) -> None:
    """Fetch data sets (all, if none is named) into a folder, unpack their videos, and record what was fetched.

    The same command goes on where another stopped; one at a time fills a folder. ``OUT/manifest.json`` pins the
    commit: without a revision it is what the manifest says, or ``main``. HF_ENDPOINT and tokens (HF_TOKEN, or a login)
    count as everywhere, and are written nowhere.

    Raises:
        InputError: an unknown data set or revision, no access, no room; another download fills the folder, or it cannot
            be written.
        OrchestratorError: the hub cannot be reached, or a file came damaged.
    """
    revision = revision or _read_manifest(out, repository).get("commit") or "main"
    with errors_explained(repository, revision):
        commit, remote = _look_up(repository, revision)
    chosen = _choose(names, remote, videos=videos)
    print(f"{repository} at {commit}", file=sys.stderr)
    hint = "wait for it (then the same command goes on), stop it, or give another folder with --out"
    try:
        with work_lock(out / LOCK, "another download fills this folder", hint) as held:
            if not held:
                print(f"note: {without(out)}", file=sys.stderr)
            fetched = _fill(out, repository, revision, commit, chosen)
    except OSError as error:
        hint = "free some space, or give another folder with --out; then run the same command again"
        raise InputError(f"cannot be written: {error.strerror}", str(error.filename or out), hint) from error
    if videos:
        for task in _tasks_of({file.dataset for file in chosen if file.is_archive}):
            ensure_videos(task, out, meter(f"unpacking the videos of {task.name} (bytes)"))
    total = sum(file.size for file in chosen)
    print(f"{len(chosen)} files ({_size(total)}), {fetched} of them fetched now: {out}")
    print(f"next: python -m orchestrator data check --data-root {out}")


def _fill(out: Path, repository: str, revision: str, commit: str, chosen: Sequence[Remote]) -> int:
    """Fetch what is not there of the chosen files and record all; returns how many were fetched."""
    manifest = _read_manifest(out, repository)
    if manifest.get("commit") != commit:
        # files that are not asked for now stay, and their entries say of which commit they are
        files = manifest.get("files", {})
        manifest = {"repository": repository, "revision": revision, "commit": commit, "files": files}
    todo = [file for file in chosen if not _is_there(out, file, manifest["files"])]
    _need_room(out, todo, chosen)
    write_json(out / MANIFEST, manifest)
    for at, file in enumerate(todo, 1):
        print(f"[{at}/{len(todo)}] {file.path} ({_size(file.size)})", file=sys.stderr)
        with errors_explained(repository, revision):
            _fetch(repository, commit, file, out)
        _put(out, file, manifest["files"])
        _record(out, manifest, file)
    for file in chosen:
        _record(out, manifest, file)
    with contextlib.suppress(OSError):  # other partial files are in there, or it never was
        (out / ".partial").rmdir()
    return len(todo)


def _read_manifest(out: Path, repository: str) -> dict[str, Any]:
    manifest = read_json(out / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        return {}
    return manifest if manifest.get("repository") == repository else {}


def _look_up(repository: str, revision: str) -> tuple[str, list[Remote]]:
    """The commit of a revision, and all files it has in folders."""
    api = hub().HfApi(endpoint=endpoint())
    commit = str(api.dataset_info(repository, revision=revision).sha)
    found = []
    for entry in api.list_repo_tree(repository, recursive=True, revision=commit, repo_type="dataset"):
        path = PurePosixPath(entry.path)
        if not hasattr(entry, "size") or len(path.parts) < 2:
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in entry.path or path.parts[0].startswith("."):
            raise OrchestratorError(f"{repository}: the hub names a file `{entry.path}`, which leads out of the folder")
        checksum = f"sha256:{entry.lfs.sha256}" if entry.lfs else f"git:{entry.blob_id}"
        found.append(Remote(entry.path, int(entry.size), checksum))
    return commit, sorted(found, key=lambda file: (file.is_archive, file.path))


def _choose(names: Sequence[str], remote: Sequence[Remote], *, videos: bool) -> list[Remote]:
    """The files of the named data sets: by their folder in the repository, or by the name of a task."""
    folders = {file.dataset.casefold(): file.dataset for file in remote}
    # a task's folders are its data set's names here and there
    for task in benchmark_tasks("mmla").values():
        there = next((folders[name.casefold()] for name in task.folders if name.casefold() in folders), None)
        if there:
            folders |= {name.casefold(): there for name in (task.name, task.dataset, *task.folders)}
    wanted, problems = set(), []
    for name in names or folders:
        if name.casefold() in folders:
            wanted.add(folders[name.casefold()])
        else:
            known = sorted(set(folders.values()))
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            problems.append(Problem(f"no data set `{name}`", hint=hint))
    if problems:
        raise InputError(problems)
    return [file for file in remote if file.dataset in wanted and (videos or not file.is_archive)]


def _is_there(out: Path, file: Remote, recorded: Mapping[str, Any]) -> bool:
    """Whether a file is complete: of the right size, and of the right content or, for archives, recorded so.

    Tables are small, and a slip in an editor leaves their size as it was: they are always read.
    """
    path = out / file.path
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    known = file.is_archive and _entry(recorded, file).get("hash") == file.hash
    return known or _hash(path, file.hash) == file.hash


def _entry(recorded: Mapping[str, Any], file: Remote) -> dict[str, Any]:
    """What the manifest says of a file; empty where it says nothing."""
    entry = recorded.get(file.path)
    return entry if isinstance(entry, dict) else {}


def _record(out: Path, manifest: dict[str, Any], file: Remote) -> None:
    entry = {"size": file.size, "hash": file.hash, "commit": manifest["commit"]}
    if manifest["files"].get(file.path) != entry:
        manifest["files"][file.path] = entry
        write_json(out / MANIFEST, manifest)


def _need_room(out: Path, todo: Sequence[Remote], chosen: Sequence[Remote]) -> None:
    """Refuse to begin what cannot end: archives lie beside what they unpack to, which is about as large."""
    files = sum(file.size - _partial_size(out, file) for file in todo)
    unpacked = sum(file.size for file in chosen if file.is_archive and not (out / file.dataset / "video").exists())
    place = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free - KEPT_FREE
    if files + unpacked > free:
        raise InputError(
            f"needs {_size(files)} and {_size(unpacked)} for the unpacked videos, {_size(max(0, free))} are free",
            str(out),
            "choose another folder with --out, fewer data sets with --dataset, or --no-videos",
        )


def _partial(out: Path, file: Remote) -> Path:
    return out / ".partial" / file.hash.replace(":", "-")


def _partial_size(out: Path, file: Remote) -> int:
    with contextlib.suppress(OSError):
        return min(file.size, _partial(out, file).stat().st_size)
    return 0


def _fetch(repository: str, commit: str, file: Remote, out: Path) -> None:
    """Fetch one file, from where its partial file ends, and check it."""
    from huggingface_hub import file_download

    url = hub().hf_hub_url(repository, file.path, repo_type="dataset", revision=commit, endpoint=endpoint())
    metadata = hub().get_hf_file_metadata(url, endpoint=endpoint())
    logging.getLogger("huggingface_hub.file_download").setLevel(logging.ERROR)  # its warnings show signed addresses
    headers = hub().utils.build_hf_headers(library_name="mmla-orchestrator")
    if _host(metadata.location) != _host(url):
        headers.pop("authorization", None)  # the file lies on a store of signed addresses: no token for it
    partial = _partial(out, file)
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("ab") as stream:
        if stream.tell() > file.size:
            stream.truncate(0)
        file_download.http_get(
            metadata.location,
            stream,
            resume_size=stream.tell(),
            headers=headers,
            expected_size=file.size,
            displayed_filename=file.path,
        )
        stream.flush()
        os.fsync(stream.fileno())
    if _hash(partial, file.hash) != file.hash:
        partial.unlink()
        raise OrchestratorError(f"{file.path}: what the hub sent is damaged (its hash differs); run the same again")


def _put(out: Path, file: Remote, recorded: Mapping[str, Any]) -> None:
    """Move a fetched file to its place; one of the user's that lies there is kept beside it."""
    target = out / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not _is_ours(target, file, _entry(recorded, file)):
        names = (f"{target.name}.orig{number}" for number in chain([""], count(2)))
        kept = next(path for name in names if not (path := target.with_name(name)).exists())
        target.rename(kept)
        print(f"{target}: yours is not the published file; it is kept as {kept.name}", file=sys.stderr)
    _partial(out, file).replace(target)


def _is_ours(path: Path, file: Remote, entry: Mapping[str, Any]) -> bool:
    """Whether a file is the one that was fetched, by the manifest's entry: an archive by its size, a table as read."""
    if entry.get("size") != path.stat().st_size:
        return False
    return file.is_archive or _hash(path, str(entry.get("hash"))) == entry.get("hash")


def _hash(path: Path, like: str) -> str:
    """A file's hash in the way of another: SHA-256 of the content, or git's SHA-1 of a blob."""
    kind = like.partition(":")[0]
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"{kind}:{digest.hexdigest()}"


def _tasks_of(datasets: set[str]) -> list[Task]:
    return [task for task in benchmark_tasks("mmla").values() if datasets & set(task.folders)]


def _host(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
