"""The hub's commits of weights that a toolkit loads by name alone: in MMLA_HUB_PINS, ``owner/name=commit,...``."""

from __future__ import annotations

import os
from typing import Any


def commits() -> dict[str, str]:
    """The commit of each repository that is pinned."""
    pairs = (item.partition("=") for item in os.environ.get("MMLA_HUB_PINS", "").split(",") if item)
    return {repository: commit for repository, _, commit in pairs}


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
