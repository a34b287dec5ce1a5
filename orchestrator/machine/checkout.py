"""The checkout that this code runs from: recipes, prompts and the toolkits' pins lie beside the package."""

from __future__ import annotations

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


def git_commit() -> str:
    """The commit of the checkout that this code runs from, or an empty string outside one."""
    git = ROOT / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).exists():
            return (git / name).read_text().strip()
        lines = (git / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")
    except OSError:
        return ""
