"""Definitions of environments and their checks, with a stand-in for uv."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from orchestrator.environments import environment as environments
from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment, toolkit_names
from orchestrator.errors import InputError
from tests.environments.toy import load


def test_a_check_has_a_time_limit(toy: Environment, tmp_path: Path) -> None:
    build(toy, tmp_path / "log")
    text = (toy.folder / "environment.yaml").read_text().replace("import json", "import time; time.sleep(30)")
    (toy.folder / "environment.yaml").write_text(text)
    assert "more than 0.2 s" in load(tmp_path).check(seconds=0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("source: {pypi: toy-kit==1.2}", "source: {git: x, commit: main, paths: a}"), "source.paths must be a list"),
        (("source: {pypi: toy-kit==1.2}", "source: {svn: x}"), "source must be"),
        (("source: {pypi: toy-kit==1.2}", "source: {git: x, commit: main}"), "full commit hash"),
        (("check: import json", ""), "'check'"),
        (("why: it plays", "reason: it plays"), "reason"),
        (("python:", "python: ["), "not valid YAML"),
    ],
)
def test_malformed_definitions(toy: Environment, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = toy.folder / "environment.yaml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_unknown_toolkit(toy: Environment, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean `toy`"):
        Environment.load("toyy", tmp_path / "third_party")


def test_a_toolkit_from_another_folder(toy: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "ROOTS", [*environments.ROOTS, tmp_path / "third_party"])
    assert {"toy", "llamafactory"} <= set(toolkit_names())
    assert Environment.load("toy") == toy
    assert Environment.load("llamafactory").folder.name == "llamafactory"


def test_what_the_system_lacks(toy: Environment) -> None:
    assert toy.missing_needs() == ["`no-such-command` is missing (it plays): apt-get install toy"]


def test_every_toolkit_of_the_repository_is_pinned() -> None:
    assert "llamafactory" in toolkit_names()
    for name in toolkit_names():
        environment = Environment.load(name)
        lock = environment.lock.read_text()
        pins = [line for line in lock.splitlines() if line and not line.startswith((" ", "#", "-"))]
        assert pins
        assert all("==" in line for line in pins), "every package at one version"
        assert lock.count("--hash=sha256:") >= len(pins)
        assert environment.lock_digest != hashlib.sha256(b"").hexdigest()


def test_names_that_a_release_knows(tmp_path: Path) -> None:
    (tmp_path / "names.yaml").write_text("template: [qwen, 4]\n")
    environment = Environment("x", tmp_path, "3.11", {"pypi": "x==1"}, "")
    assert environment.names("template") == ["qwen", "4"]
    assert environment.names("model_type") == []
    assert Environment("x", tmp_path / "none", "3.11", {"pypi": "x==1"}, "").names("template") == []
