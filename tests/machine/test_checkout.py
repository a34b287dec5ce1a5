"""Outside its checkout, every command says what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.machine import checkout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package alone, as a wheel holds it."""
    package = Path(checkout.__file__).parents[1]
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_an_installed_copy_says_what_it_lacks(installed: Path) -> None:
    def call(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            cwd=installed, capture_output=True, text=True, env={"PYTHONPATH": str(installed)},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    line = (
        "error: this is an installed copy without recipes/, prompts/ and third_party/: "
        "use a checkout (git clone ..., make install)\n"
    )
    assert call("ls", "tasks") == (2, "", line)
    assert call("env", "list") == (2, "", line)
    code, said, _ = call("convert", "--help")
    assert code == 0
    assert "Example: " in said
    for name in ("recipes", "third_party"):
        (installed / name).mkdir()
    assert call("show", "x.yaml") == (2, "", line)  # prompts are still absent


def test_this_checkout_is_whole() -> None:
    checkout.need_checkout()
