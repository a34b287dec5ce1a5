"""A toolkit's source from git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError, StageError
from tests.environments.toy import DEFINITION, PYTHON, calls, load
from tests.shared import needs_git


@needs_git
def test_from_git_at_a_commit(toy: Environment, tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    git = ["git", "-C", str(upstream), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    (upstream / "kit.py").write_text("one = 1\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    source = f"{{git: 'file://{upstream}', commit: {commit}}}"
    text = DEFINITION.format(python=PYTHON).replace("{pypi: toy-kit==1.2}", source)
    (toy.folder / "environment.yaml").write_text(text)
    fetched = load(tmp_path)
    build(fetched)
    assert (fetched.sources / "kit.py").read_text() == "one = 1\n"
    assert calls(tmp_path) == ["venv --clear", "pip sync", "pip install"]
    assert fetched.check() == ""
    (fetched.sources / "kit.py").write_text("one = 2\n")
    assert "kit.py was changed" in fetched.check()
    names = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    commit_all = ["git", "-C", str(fetched.sources), "commit", "-qam", "two"]
    subprocess.run(commit_all, check=True, env=os.environ | names)
    assert f"asked for commit {commit}" in fetched.check()
    (toy.folder / "environment.yaml").write_text(text.replace(commit, "f" * 40))
    with pytest.raises(StageError, match="git -C"):
        build(load(tmp_path))


@needs_git
def test_a_checkout_that_was_brought_along(toy: Environment, tmp_path: Path) -> None:
    brought = tmp_path / "wheels" / "toy"
    brought.mkdir(parents=True)
    git = ["git", "-C", str(brought), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (brought / "kit.py").write_text("one = 1\n")
    text = DEFINITION.format(python=PYTHON).replace("{pypi: toy-kit==1.2}", "{git: 'https://no.where/x', commit: %s}")
    (toy.folder / "environment.yaml").write_text(text % ("f" * 40))
    with pytest.raises(InputError, match="the checkout of the toolkit is not there"):
        build(load(tmp_path), wheels=brought.parent)
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"]):
        subprocess.run([*git, *words], check=True)
    with pytest.raises(StageError, match=f"asked for commit {'f' * 40}"):
        build(load(tmp_path), wheels=brought.parent)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    (toy.folder / "environment.yaml").write_text(text % commit)
    copied = load(tmp_path)
    build(copied, wheels=brought.parent)
    assert (copied.sources / "kit.py").read_text() == "one = 1\n"
    assert copied.check() == ""


@needs_git
def test_only_the_paths_that_are_named_come_from_git(toy: Environment, tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    (upstream / "docs").mkdir(parents=True)
    git = ["git", "-C", str(upstream), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "config", "uploadpack.allowFilter", "true"], check=True)
    subprocess.run([*git, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    (upstream / "kit.py").write_text("one = 1\n")
    (upstream / "docs" / "film.mp4").write_text("gigabytes")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    source = f"{{git: 'file://{upstream}', commit: {commit}, paths: [kit.py]}}"
    text = DEFINITION.format(python=PYTHON).replace("{pypi: toy-kit==1.2}", source)
    (toy.folder / "environment.yaml").write_text(text)
    fetched = load(tmp_path)
    build(fetched)
    assert {path.name for path in fetched.sources.iterdir()} == {".git", "kit.py"}
    assert fetched.check() == ""
