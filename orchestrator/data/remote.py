"""The files of a data set on the hub: which there are, and fetching one, whole.

huggingface_hub finds the endpoint, the token and the commit, and speaks HTTP. Keeping partial files is done here: from
2.0 on it deletes them when a download stops, and the largest archive has 10.8 GB.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.errors import OrchestratorError, obeyed, short
from orchestrator.machine.hub import endpoint, hub
from orchestrator.machine.meter import Count, Meter

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


def look_up(repository: str, revision: str) -> tuple[str, list[Remote]]:
    """The commit of a revision, and all files it has in folders.

    Raises:
        OrchestratorError: a file would lie outside the folder; and the hub's own errors.
    """
    api = hub().HfApi(endpoint=endpoint())
    commit = str(api.dataset_info(repository, revision=revision).sha)
    found = []
    for entry in api.list_repo_tree(repository, recursive=True, revision=commit, repo_type="dataset"):
        path = PurePosixPath(entry.path)
        if not hasattr(entry, "size") or len(path.parts) < 2:
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in entry.path or path.parts[0].startswith("."):
            raise OrchestratorError(f"{repository}: the hub names a file `{entry.path}`, which leads out of the folder")
        if obeyed(entry.path) or "\n" in entry.path or "\t" in entry.path:
            message = f"the hub names a file `{short(entry.path)}`, a name with characters that cannot be seen"
            raise OrchestratorError(f"{repository}: {message}")
        checksum = f"sha256:{entry.lfs.sha256}" if entry.lfs else f"git:{entry.blob_id}"
        found.append(Remote(entry.path, int(entry.size), checksum))
    return commit, sorted(found, key=lambda file: (file.is_archive, file.path))


def partial_file(out: Path, file: Remote) -> Path:
    """Where what came of a file so far is kept."""
    return out / ".partial" / file.hash.replace(":", "-")


def partial_size(out: Path, file: Remote) -> int:
    """How many bytes of a file came so far."""
    with contextlib.suppress(OSError):
        return min(file.size, partial_file(out, file).stat().st_size)
    return 0


def fetch(repository: str, commit: str, file: Remote, out: Path) -> None:
    """Fetch one file, from where its partial file ends, and check it.

    Raises:
        OrchestratorError: what came is damaged; and the hub's own errors.
    """
    from huggingface_hub import file_download

    url = hub().hf_hub_url(repository, file.path, repo_type="dataset", revision=commit, endpoint=endpoint())
    metadata = hub().get_hf_file_metadata(url, endpoint=endpoint())
    logging.getLogger("huggingface_hub.file_download").setLevel(logging.ERROR)  # its warnings show signed addresses
    headers = hub().utils.build_hf_headers(library_name="mmla-orchestrator")
    if _host(metadata.location) != _host(url):
        headers.pop("authorization", None)  # the file lies on a store of signed addresses: no token for it
    partial = partial_file(out, file)
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
    with Meter(f"checking {file.path} (bytes)") as meter:
        found = hash_like(partial, file.hash, meter)
    if found != file.hash:
        partial.unlink()
        raise OrchestratorError(f"{file.path}: what the hub sent is damaged (its hash differs); run the same again")


def hash_like(path: Path, like: str, progress: Count | None = None) -> str:
    """A file's hash in the way of another: SHA-256 of the content, or git's SHA-1 of a blob; tells how far it is."""
    kind, size = like.partition(":")[0], path.stat().st_size
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if progress:
                progress(file.tell(), size)
    return f"{kind}:{digest.hexdigest()}"


def _host(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc
