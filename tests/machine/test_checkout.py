"""The checkout and its commit; outside one, every command says what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
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


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout of one file, in one commit, as this code's own."""
    for command in (["init", "-q"], ["add", "a.py"], ["commit", "-qm", "first"]):
        (tmp_path / "a.py").write_text("one = 1\n")
        git(tmp_path, *command)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    checkout.git_commit.cache_clear()
    yield tmp_path
    checkout.git_commit.cache_clear()


def git(folder: Path, *words: str) -> str:
    me = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    return subprocess.run(["git", *me, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_says_whether_files_are_as_in_it(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    (repository / "notes.txt").write_text("git does not know me")
    assert checkout.git_commit() == head
    (repository / "a.py").write_text("one = 2\n")
    assert checkout.git_commit() == head, "one call a run"
    checkout.git_commit.cache_clear()
    assert checkout.git_commit() == f"{head}+dirty"
    checkout.git_commit.cache_clear()
    git(repository, "add", "a.py")
    assert checkout.git_commit() == f"{head}+dirty"


def test_a_worktree_has_a_commit_too(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(repository, "worktree", "add", "-q", "../other", "-b", "other")
    monkeypatch.setattr(checkout, "ROOT", repository.parent / "other")
    assert checkout.git_commit() == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize("lacking", ["commits", "repository", "git"])
def test_where_there_is_no_commit_nothing_is_said(
    repository: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    if lacking == "git":
        monkeypatch.setenv("PATH", str(repository))
    else:
        shutil.rmtree(repository / ".git")
    if lacking == "commits":
        git(repository, "init", "-q")
    assert checkout.git_commit() == ""
