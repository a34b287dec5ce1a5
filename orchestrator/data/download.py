"""``data download``: the published data sets from the hub, each file whole and of one pinned commit."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import Task, benchmark_tasks
from orchestrator.data.archives import KEPT_FREE, ensure_videos
from orchestrator.data.remote import Remote, fetch, hash_like, look_up, partial_file, partial_size
from orchestrator.errors import InputError, Problem, did_you_mean
from orchestrator.machine.files import read_json, write_json
from orchestrator.machine.hub import errors_explained, tell_token
from orchestrator.machine.locks import without, work_lock
from orchestrator.machine.meter import Meter

REPOSITORY = "THUIAR/MMLA-Datasets"
MANIFEST, LOCK = "manifest.json", ".download.lock"


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
    tell_token(lambda text: print(text, file=sys.stderr))
    with errors_explained(repository, revision), Meter(f"asking the hub for the files of {repository}"):
        commit, remote = look_up(repository, revision)
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
            with Meter(f"unpacking the videos of {task.name} (bytes)") as meter:
                ensure_videos(task, out, meter)
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
            fetch(repository, commit, file, out)
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
    return known or hash_like(path, file.hash) == file.hash


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
    files = sum(file.size - partial_size(out, file) for file in todo)
    unpacked = sum(file.size for file in chosen if file.is_archive and not (out / file.dataset / "video").exists())
    place = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free - KEPT_FREE
    if files + unpacked > free:
        raise InputError(
            f"needs {_size(files)} and {_size(unpacked)} for the unpacked videos, {_size(max(0, free))} are free",
            str(out),
            "choose another folder with --out, fewer data sets with --dataset, or --no-videos",
        )


def _put(out: Path, file: Remote, recorded: Mapping[str, Any]) -> None:
    """Move a fetched file to its place; one of the user's that lies there is kept beside it."""
    target = out / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not _is_ours(target, file, _entry(recorded, file)):
        names = (f"{target.name}.orig{number}" for number in chain([""], count(2)))
        kept = next(path for name in names if not (path := target.with_name(name)).exists())
        target.rename(kept)
        print(f"{target}: yours is not the published file; it is kept as {kept.name}", file=sys.stderr)
    partial_file(out, file).replace(target)


def _is_ours(path: Path, file: Remote, entry: Mapping[str, Any]) -> bool:
    """Whether a file is the one that was fetched, by the manifest's entry: an archive by its size, a table as read."""
    if entry.get("size") != path.stat().st_size:
        return False
    return file.is_archive or hash_like(path, str(entry.get("hash"))) == entry.get("hash")


def _tasks_of(datasets: set[str]) -> list[Task]:
    return [task for task in benchmark_tasks("mmla").values() if datasets & set(task.folders)]


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
