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
    """The commit of the checkout that this code runs from, or an empty string outside one."""
    command = ["git", "--git-dir", str(ROOT / ".git"), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:  # there is no git
        return ""
    return "" if done.returncode else done.stdout.strip()
