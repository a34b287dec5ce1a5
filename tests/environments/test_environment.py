"""Definitions of environments and their checks, with a stand-in for uv."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.environments import places
from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.environments.places import toolkit_names
from orchestrator.errors import InputError
from orchestrator.machine.checkout import THIRD_PARTY
from tests.environments.toy import load


def test_a_check_has_a_time_limit(toy: Environment, tmp_path: Path) -> None:
    build(toy)
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


def test_unknown_toolkit() -> None:
    with pytest.raises(InputError, match="did you mean `swift`"):
        Environment.load("swiftt")


class Entry:
    """An entry point, as the metadata of an installed package gives it."""

    def __init__(self, name: str, module: str) -> None:
        self.name, self.module = name, module


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Has packages be installed that bring toolkits: by toolkit the package."""

    def installed(**packages: str) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        for package in packages.values():
            (tmp_path / package).mkdir(exist_ok=True)
            (tmp_path / package / "__init__.py").write_text("raise SystemExit('nobody imports it for its place')")
        entries = [Entry(*item) for item in packages.items()]
        monkeypatch.setattr(places, "entry_points", lambda group: entries if group == places.GROUP else [])
        places.places.cache_clear()

    yield installed
    places.places.cache_clear()


def test_an_installed_package_brings_its_definition(
    install: Callable[..., None], toy: Environment, tmp_path: Path
) -> None:
    install(toy="toy_kit")
    shutil.copytree(toy.folder, tmp_path / "toy_kit", dirs_exist_ok=True)
    assert {"toy", "llamafactory"} <= set(toolkit_names())
    assert places.places()["toy"].module == "toy_kit"
    found = Environment.load("toy")
    assert found.folder == tmp_path / "toy_kit"
    assert found.venv == THIRD_PARTY / "toy" / ".venv", "an installed package's own folder may be read only"
    assert found.lock_digest == toy.lock_digest
    assert Environment.load("llamafactory").folder == THIRD_PARTY / "llamafactory"


def test_a_toolkit_that_is_brought_twice_is_told(install: Callable[..., None]) -> None:
    install(swift="other_swift")
    with pytest.raises(InputError, match=r"`swift` is brought twice, by .*swift and by ") as caught:
        toolkit_names()
    assert "other_swift" in str(caught.value)


def test_a_package_without_a_definition_is_told(install: Callable[..., None], tmp_path: Path) -> None:
    install(bare="bare_kit")
    with pytest.raises(InputError) as caught:
        Environment.load("bare")
    assert str(tmp_path / "bare_kit" / "environment.yaml") in str(caught.value)


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
