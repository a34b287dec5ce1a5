"""The hub's commits of weights: what is pinned, in MMLA_HUB_PINS, ``owner/name=commit,...``, and what its cache on
this machine holds. The orchestrator looks into the cache with this, too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def commits() -> dict[str, str]:
    """The commit of each repository that is pinned."""
    pairs = (item.partition("=") for item in os.environ.get("MMLA_HUB_PINS", "").split(",") if item)
    return {repository: commit for repository, _, commit in pairs}


def cache_folder(repository: str) -> Path:
    """Where the hub's cache keeps a model: ``refs/<revision>`` holds a commit, ``snapshots/<commit>/`` its files."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or f"{home}/hub"
    # where there is no home directory, Path's own expanduser raises
    return Path(os.path.expanduser(cache)) / f"models--{repository.replace('/', '--')}"  # noqa: PTH111


def cached_commit(repository: str, revision: str = "main") -> str | None:
    """The commit that a revision had when the cache saw it last; ``None`` where it never did."""
    try:
        return (cache_folder(repository) / "refs" / revision).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def apply() -> None:
    """Have transformers take these commits, for every file that it fetches without being asked for a revision."""
    pinned = commits()
    if not pinned:
        return
    from transformers.utils import hub

    download = hub.hf_hub_download

    def at_commit(repo_id: str, filename: str, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("revision") in (None, "main"):
            kwargs["revision"] = pinned.get(repo_id)
        return download(repo_id, filename, *args, **kwargs)

    hub.hf_hub_download = at_commit
