"""A toolkit's source from git, at one commit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError


def checkout_commands(target: Path, source: Mapping[str, Any]) -> list[list[str]]:
    """The commands that download ``source`` (``git``, ``commit`` and perhaps ``paths``) to a new, empty folder.

    Raises:
        InputError: there is no git.
    """
    if not shutil.which("git"):
        raise InputError(f"{source['git']} comes by git, and there is no git", hint="apt-get install git")
    git = ["git", "-C", str(target)]
    commands = [[*git, "init", "--quiet"], [*git, "remote", "add", "origin", source["git"]]]
    fetch = ["fetch", "--quiet", "--depth", "1"]
    if paths := source.get("paths"):
        # repositories carry videos and pictures by the gigabyte: only what these folders hold is downloaded
        commands.append([*git, "sparse-checkout", "set", "--no-cone", *(f"/{path}" for path in paths)])
        fetch.append("--filter=blob:none")
    commands.append([*git, *fetch, "origin", source["commit"]])
    return [*commands, [*git, "-c", "advice.detachedHead=false", "checkout", "--quiet", "FETCH_HEAD"]]


def copy(brought: Path, target: Path) -> None:
    """Take a checkout that was brought along.

    Raises:
        InputError: it is not there.
    """
    if not (brought / ".git").exists():
        hint = (
            f"copy third_party/{brought.name}/.venv/src/{brought.name} of a machine with a network, where it is built"
        )
        raise InputError("the checkout of the toolkit is not there", str(brought), hint)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(brought, target, symlinks=True)


def difference(target: Path, source: Mapping[str, Any]) -> str:
    """How a checkout differs from the pinned commit, in words; empty where it does not."""
    git = ["git", "-C", str(target)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    if head != source["commit"]:
        return f"{source['git']}: asked for commit {source['commit']}, got {head or 'nothing'}"
    argv = [*git, "status", "--porcelain", "--untracked-files=no"]
    changed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()
    return f"{target}: {changed[1]} was changed since it was checked out" if changed else ""
