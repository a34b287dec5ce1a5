"""The checkout that this code runs from: recipes, prompts and the toolkits' pins lie beside the package."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from orchestrator.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ROOT / "prompts"
RECIPES = ROOT / "recipes"
THIRD_PARTY = ROOT / "third_party"
GIT_SECONDS = 10.0  # how long git is waited for


def need_checkout() -> None:
    """See that what lies beside the package in a checkout is there.

    Raises:
        InputError: it is not: this is a copy that was installed from a wheel.
    """
    if not (RECIPES.is_dir() and PROMPTS.is_dir() and THIRD_PARTY.is_dir()):
        lacks = "this is an installed copy without recipes/, prompts/ and third_party/"
        raise InputError(f"{lacks}: use a checkout (git clone ..., make install)")


@cache
def git_commit() -> str:
    """The commit of the checkout that this code runs from, as it was when first asked; an empty string outside one.

    ``+dirty`` behind it says that files which git knows are not as in that commit.
    """
    command = ["git", "--no-optional-locks", "--git-dir", str(ROOT / ".git"), "--work-tree", str(ROOT)]
    command += ["status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):  # there is no git, or the checkout lies on a slow drive
        return ""
    said = done.stdout.decode("utf-8", "replace").splitlines()
    head = next((line.rpartition(" ")[2] for line in said if line.startswith("# branch.oid ")), "")
    if done.returncode or not head.isalnum():  # of no commits at all git says "(initial)"
        return ""
    return f"{head}+dirty" if any(not line.startswith("#") for line in said) else head
